/** One datagram of a sampled connection (native/abi/sample.h). */
export interface Sample {
  /** The connection's name in the log: the same on every node that shares the hash key, in both directions. */
  readonly connection: string;
  readonly direction: "forward" | "return";
  readonly outcome: "sent" | "dropped";
  readonly worker: number;
  /** What routed it; undefined in the return direction. */
  readonly rule: string | undefined;
  readonly backendSlot: number;
  readonly client: string;
  readonly bytes: number;
  /** Wall clock, microseconds since 1970. */
  readonly receivedUs: number;
  /** Microseconds from reception; undefined in the return direction. */
  readonly routedAfterUs: number | undefined;
  readonly sentAfterUs: number;
}

/** Octets of a record. */
export const SAMPLE_BYTES = 56;

const RULES = ["quic_lb", "four_tuple_scid", "dcid", "four_tuple", "fallback"];
const MAPPED_PREFIX = "00000000000000000000ffff";

/** The records that the native side hands out, in order. */
export function decodeSamples(buffer: ArrayBuffer): Sample[] {
  const count = Math.floor(buffer.byteLength / SAMPLE_BYTES);
  return Array.from({ length: count }, (_, index) => decodeSample(new DataView(buffer, index * SAMPLE_BYTES)));
}

function decodeSample(view: DataView): Sample {
  const receivedNs = view.getBigUint64(0, true);
  const after = (offset: number) => Number(view.getBigUint64(offset, true) - receivedNs) / 1000;
  const forward = view.getUint8(38) === 0;
  return {
    connection: view.getUint32(24, true).toString(16).padStart(8, "0"),
    direction: forward ? "forward" : "return",
    outcome: view.getUint8(39) === 0 ? "sent" : "dropped",
    worker: view.getUint8(36),
    rule: forward ? RULES[view.getUint8(37)] : undefined,
    backendSlot: view.getUint16(32, true),
    client: clientOf(view),
    bytes: view.getUint32(28, true),
    receivedUs: Number(receivedNs / 1000n),
    routedAfterUs: forward ? after(8) : undefined,
    sentAfterUs: after(16),
  };
}

function clientOf(view: DataView): string {
  const port = view.getUint16(34, true);
  const hex = Buffer.from(view.buffer, view.byteOffset + 40, 16).toString("hex");
  if (hex.startsWith(MAPPED_PREFIX)) return `${[52, 53, 54, 55].map((at) => view.getUint8(at)).join(".")}:${port}`;
  const groups = hex.match(/.{4}/g) as string[];
  return `[${new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1)}]:${port}`;
}
