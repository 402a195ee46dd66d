import { describe, expect, it } from "vitest";
import { CounterLayoutError, openCounters } from "../../../../proxy/counters/read.ts";
import { FakeRegion } from "./region.ts";

const slot = (index: number, port: number) => ({
  slot: index,
  address: "10.0.0.7",
  port,
  weight: index,
  active: index !== 2,
  sources: [],
});

describe("openCounters", () => {
  it("reads every worker by name and sums the workers", () => {
    const region = new FakeRegion({ workers: 2, slots: 4 });
    region.set(0, "receive_datagrams", 5);
    region.set(1, "receive_datagrams", 7);
    region.set(1, "cid_table_full", 3);
    region.setGauge(0, "generation", 4);
    region.setGauge(1, "cids", 9);
    const { workers, totals } = openCounters(region.buffer).read([]);
    expect(workers).toHaveLength(2);
    expect(workers[0]?.counters.receive_datagrams).toBe(5);
    expect(workers[1]?.counters.cid_table_full).toBe(3);
    expect(workers[0]?.gauges).toMatchObject({
      generation: 4,
      flows: 0,
      upstreamSockets: 0,
      cids: 0,
      ringHighWater: 0,
    });
    expect(workers[1]?.gauges.cids).toBe(9);
    expect(totals.receive_datagrams).toBe(12);
    expect(totals.cid_table_full).toBe(3);
  });

  it("sees workers that come later", () => {
    const region = new FakeRegion({ workers: 3, slots: 1 });
    region.use(1);
    const reader = openCounters(region.buffer);
    region.set(2, "receive_datagrams", 4);
    expect(reader.read([]).workers).toHaveLength(1);
    region.use(3);
    const { workers, totals } = reader.read([]);
    expect(workers).toHaveLength(3);
    expect(totals.receive_datagrams).toBe(4);
  });

  it("joins backend slots with their addresses and sums the workers", () => {
    const region = new FakeRegion({ workers: 2, slots: 4 });
    region.setBackend(0, 2, { forwarded: 10, flows: 1 });
    region.setBackend(1, 2, { forwarded: 5, flows: 2, refused: 8 });
    region.setBackend(1, 3, { returnedBytes: 6 });
    const { backends } = openCounters(region.buffer).read([slot(2, 4433), slot(3, 4434)]);
    expect(backends).toEqual([
      expect.objectContaining({ address: "10.0.0.7", port: 4433, active: false, weight: 2, forwarded: 15, flows: 3 }),
      expect.objectContaining({ port: 4434, active: true, weight: 3, forwarded: 0, returnedBytes: 6 }),
    ]);
    expect(backends[0]?.refused).toBe(8);
  });

  it("sees what a worker wrote after the reader was opened", () => {
    const region = new FakeRegion({ workers: 1, slots: 1 });
    const reader = openCounters(region.buffer);
    const before = reader.read([]);
    region.set(0, "forward_sent", 2n ** 40n + 1n);
    expect(reader.read([]).totals.forward_sent).toBe(2 ** 40 + 1);
    expect(before.totals.forward_sent).toBe(0);
  });

  it("reads how long threads have worked, also in the midst of work", () => {
    const region = new FakeRegion({ workers: 2, slots: 1 });
    let nowNs = 10_000n;
    const reader = openCounters(region.buffer, () => nowNs);
    region.setBusy(0, 700);
    region.setBusy(1, 700 - 9_000);
    region.setBusy(1, 40, "receiver");
    const { workers, readAtNs } = reader.read([]);
    expect(readAtNs).toBe(10_000);
    expect(workers.map(({ timing }) => timing.busyNs)).toEqual([700, 1_700]);
    expect(workers.map(({ timing }) => timing.receiverBusyNs)).toEqual([0, 40]);
    nowNs = 30_000n;
    expect(reader.read([]).workers.map(({ timing }) => timing.busyNs)).toEqual([700, 21_700]);
  });

  it("never tells of less work than before: a clock that moves in ticks is behind", () => {
    const region = new FakeRegion({ workers: 1, slots: 1 });
    const reader = openCounters(region.buffer, () => 5_000_000n);
    region.setBusy(0, 0 - 1_000_000);
    expect(reader.read([]).workers[0]?.timing.busyNs).toBe(4_000_000);
    region.setBusy(0, 3_000_000);
    expect(reader.read([]).workers[0]?.timing.busyNs).toBe(4_000_000);
  });

  it("reads each histogram of each worker", () => {
    const region = new FakeRegion({ workers: 2, slots: 1 });
    region.setTiming(1, "forwardService", 3000, { 0: 1, 9: 2 });
    region.setTiming(1, "returnResidence", 7, { 77: 5 });
    const { workers } = openCounters(region.buffer).read([]);
    const { forwardService, returnService, returnResidence } = workers[1]!.timing;
    expect(forwardService.sumNs).toBe(3000);
    expect(forwardService.counts).toHaveLength(78);
    expect([forwardService.counts[0], forwardService.counts[9]]).toEqual([1, 2]);
    expect(returnResidence.counts[77]).toBe(5);
    expect(returnService.counts.every((count) => count === 0)).toBe(true);
    expect(workers[0]?.timing.forwardService.sumNs).toBe(0);
  });

  it.each([
    ["magic", 0],
    ["version", 1],
    ["number of counters", 3],
    ["number of gauges", 4],
    ["number of backend cells", 8],
    ["number of timings", 11],
    ["number of cells of a timing", 12],
  ])("refuses another %s", (what, word) => {
    const { buffer } = new FakeRegion({ workers: 1, slots: 1 });
    new Uint32Array(buffer)[word] = 99;
    expect(() => openCounters(buffer)).toThrow(CounterLayoutError);
    expect(() => openCounters(buffer)).toThrow(`${what} is 99`);
  });

  it("refuses a region that is shorter than its header says", () => {
    const { buffer } = new FakeRegion({ workers: 2, slots: 4 });
    expect(() => openCounters(buffer.slice(0, buffer.byteLength - 8))).toThrow("too few");
    expect(() => openCounters(new ArrayBuffer(8))).toThrow(CounterLayoutError);
  });
});
