import { expect, it } from "vitest";
import type { SocketMeasure } from "../../../../host/path/measures.ts";
import { utilization, utilizationAtLeast } from "../../../../host/verdict/queue.ts";
import { measures, socket, udp } from "./measures.ts";

/* Of a reader that is given 500 datagrams at a time, and can do four times what comes on average: 552 read, 2,448 lost. */

const LOST = 2448;
const host = measures({ udp: { ip4: udp({ inDatagrams: 552 }), ip6: udp({ inDatagrams: 0 }) } });
const busyAt = (count: number): SocketMeasure =>
  socket({ queueBytes: Array.from({ length: 11 }, (_, place) => (place < count ? 1 : 0)) });

it.each([0, 1, 2, 3])("%i of 11 readings with work are no proof that the reader is too slow", (count) => {
  expect(utilizationAtLeast(busyAt(count), LOST, host)).toBeLessThan(1);
});

it.each([6, 9, 11])("%i of them are", (count) => {
  expect(utilizationAtLeast(busyAt(count), LOST, host)).toBeGreaterThanOrEqual(1);
});

it("what is at least is never more than what is likely", () => {
  for (let count = 0; count <= 11; count++) {
    expect(utilizationAtLeast(busyAt(count), LOST, host)).toBeLessThanOrEqual(utilization(busyAt(count), LOST, host));
  }
});
