import { describe, expect, it } from "vitest";
import { judgeMeasures } from "../../../../host/verdict/all.ts";
import { isFull, isStill } from "../../../../host/verdict/queue.ts";
import { FULL_BYTES, measures, socket, udp4 } from "./measures.ts";

/* What queues of real sockets look like while datagrams are lost. */

const queue = (...queueBytes: number[]) => socket({ queueBytes });
const all = measures();

describe("full", () => {
  it("is a queue that gives back a quarter of its buffer at a time", () => {
    expect(isFull(queue(25_000, 164_000, 159_000, 163_000, 160_000), all)).toBe(true);
  });

  it("is not one that a burst fills now and then", () => {
    expect(isFull(queue(0, FULL_BYTES, 0, 0, 40_000), all)).toBe(false);
  });
});

describe("still", () => {
  it("is a queue that filled up after the first reading and then stood", () => {
    expect(isStill(queue(20_000, 130_000, FULL_BYTES, FULL_BYTES, FULL_BYTES, FULL_BYTES), all)).toBe(true);
  });

  it("is not one that fell in between: somebody reads it", () => {
    expect(isStill(queue(FULL_BYTES, 190_000, FULL_BYTES, FULL_BYTES, FULL_BYTES), all)).toBe(false);
  });

  it("is not one that came to its level with the last reading", () => {
    expect(isStill(queue(150_000, 160_000, 170_000, 180_000, FULL_BYTES), all)).toBe(false);
  });

  it("is not an empty one, and nothing follows from one reading", () => {
    expect(isStill(queue(0, 0, 0, 0), all)).toBe(false);
    expect(isStill(queue(FULL_BYTES), all)).toBe(false);
  });
});

describe("what two files of one reading do not agree about", () => {
  const losing = (drops: number, receiveBufferErrors: number): string[] => {
    const sockets = [socket({ drops, queueBytes: [FULL_BYTES, FULL_BYTES + 900, FULL_BYTES] })];
    const udp = udp4({ inErrors: receiveBufferErrors, receiveBufferErrors });
    return judgeMeasures(measures({ sockets, udp })).map(({ verdict }) => verdict);
  };

  it("is no loss of its own", () => {
    expect(losing(9600, 10_000)).toEqual(["consumption-mismatch"]);
  });

  it("is one where it is more than a reading can be late", () => {
    expect(losing(9000, 10_000)).toEqual(["consumption-mismatch", "full-receive-buffer"]);
  });
});
