/*
 * Octets of netlink: little-endian, as all machines are that this product runs on; addresses and ports in network order.
 * Readers give undefined beyond the end, so that no message, however wrong, makes anybody throw.
 */

const holds = (octets: Uint8Array | undefined, at: number, size: number): octets is Uint8Array =>
  octets !== undefined && at >= 0 && at + size <= octets.length;

export const u8 = (octets: Uint8Array | undefined, at = 0): number | undefined => octets?.[at];

export const u16 = (octets: Uint8Array | undefined, at = 0): number | undefined =>
  holds(octets, at, 2) ? octets[at]! | (octets[at + 1]! << 8) : undefined;

/** In network order. */
export const port = (octets: Uint8Array | undefined, at = 0): number | undefined =>
  holds(octets, at, 2) ? (octets[at]! << 8) | octets[at + 1]! : undefined;

export function u32(octets: Uint8Array | undefined, at = 0): number | undefined {
  if (!holds(octets, at, 4)) return undefined;
  return (octets[at]! | (octets[at + 1]! << 8) | (octets[at + 2]! << 16) | (octets[at + 3]! << 24)) >>> 0;
}

export const u64 = (octets: Uint8Array | undefined, at = 0): bigint | undefined =>
  holds(octets, at, 8) ? (BigInt(u32(octets, at + 4)!) << 32n) | BigInt(u32(octets, at)!) : undefined;

/** Up to the first 0; undefined without octets. */
export function text(octets: Uint8Array | undefined): string | undefined {
  if (octets === undefined) return undefined;
  const end = octets.indexOf(0);
  return Buffer.from(end === -1 ? octets : octets.subarray(0, end)).toString("utf8");
}
