import { describe, expect, it } from "vitest";
import { decodeSamples, SAMPLE_BYTES } from "../../../../proxy/sampling/sample.ts";
import { startSampleLog } from "../../../../proxy/sampling/sample_log.ts";
import { fakeLog } from "../apply/fakes.ts";

interface Given {
  direction?: number;
  outcome?: number;
  client?: string;
}

/** A record as native/abi/sample.h lays it out. */
function record({ direction = 0, outcome = 0, client = "00000000000000000000ffff0a4f0102" }: Given): Uint8Array {
  const bytes = new Uint8Array(SAMPLE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, 1_700_000_000_000_000_000n, true);
  view.setBigUint64(8, 1_700_000_000_000_004_000n, true);
  view.setBigUint64(16, 1_700_000_000_000_011_500n, true);
  view.setUint32(24, 0xabc, true);
  view.setUint32(28, 1200, true);
  view.setUint16(32, 3, true);
  view.setUint16(34, 55555, true);
  view.setUint8(36, 1);
  view.setUint8(37, 2);
  view.setUint8(38, direction);
  view.setUint8(39, outcome);
  bytes.set(Buffer.from(client, "hex"), 40);
  return bytes;
}

function regionOf(...records: Uint8Array[]): ArrayBuffer {
  const region = new Uint8Array(records.length * SAMPLE_BYTES);
  records.forEach((bytes, index) => {
    region.set(bytes, index * SAMPLE_BYTES);
  });
  return region.buffer;
}

describe("samples", () => {
  it("say every stage of a datagram with its time", () => {
    expect(decodeSamples(regionOf(record({})))).toEqual([
      {
        connection: "00000abc",
        direction: "forward",
        outcome: "sent",
        worker: 1,
        rule: "dcid",
        backendSlot: 3,
        client: "10.79.1.2:55555",
        bytes: 1200,
        receivedUs: 1_700_000_000_000_000,
        routedAfterUs: 4,
        sentAfterUs: 11.5,
      },
    ]);
  });

  it("know both directions, drops and IPv6", () => {
    const samples = decodeSamples(
      regionOf(record({}), record({ direction: 1, outcome: 1, client: "fd790001000000000000000000000002" })),
    );
    expect(samples).toHaveLength(2);
    expect(samples[1]).toMatchObject({ direction: "return", outcome: "dropped", client: "[fd79:1::2]:55555" });
    expect(samples[1]).toMatchObject({ rule: undefined, routedAfterUs: undefined });
  });

  it("are logged with the name of their backend, the last ones at the end", () => {
    const { log, lines } = fakeLog();
    let left = [regionOf(record({})), new ArrayBuffer(0)];
    const source = {
      takeSamples: () => {
        const [next = new ArrayBuffer(0), ...rest] = left;
        left = rest;
        return next;
      },
      backends: () => [{ slot: 3, address: "10.0.0.7", port: 4433, weight: 1, active: true, sources: [] }],
    };
    const stop = startSampleLog(source, log, 60_000);
    stop();
    expect(lines).toHaveLength(1);
    expect(lines[0]?.fields).toMatchObject({ backend: "10.0.0.7:4433", connection: "00000abc", rule: "dcid" });
  });
});
