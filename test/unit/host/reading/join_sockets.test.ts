import { expect, it } from "vitest";
import { joinSockets, withOwners } from "../../../../host/reading/join_sockets.ts";
import type { UdpSocket } from "../../../../host/reading/reading.ts";

const socket = (inode: number, changes: Partial<UdpSocket> = {}): UdpSocket => {
  const numbers = { uid: 0, receiveQueueBytes: 1, sendQueueBytes: 0, drops: 5 };
  return { family: 4, localAddress: "0.0.0.0", localPort: 443, inode, ...numbers, ...changes };
};

it("what inet_diag says counts, and the table adds what it does not have", () => {
  const diag = [socket(1, { drops: 7, cookie: 9n, receiveBufferBytes: 100 })];
  expect(joinSockets(diag, [socket(1), socket(2)])).toEqual({ value: [diag[0], socket(2)] });
});

it("drops that inet_diag does not know are those of the table", () => {
  const { drops: _, ...old } = socket(1, { receiveBufferBytes: 100 });
  expect(joinSockets([old], [socket(1)])).toEqual({ value: [{ ...old, drops: 5 }] });
  expect(joinSockets([old], undefined)).toEqual({
    value: [],
    reason: "1 sockets are left out: this kernel tells no drops of them",
  });
});

it("sockets without a file are told apart by their addresses", () => {
  const [one, two] = [socket(0), socket(0, { localPort: 444 })];
  expect(joinSockets([one], [one, two]).value).toEqual([one, two]);
});

it("without either source there is no list; with an empty one there is", () => {
  expect(joinSockets(undefined, undefined)).toEqual({ value: undefined });
  expect(joinSockets([], undefined)).toEqual({ value: [] });
});

it("owners go by inode, and nobody owns what has no file", () => {
  const owner = { pid: 1, command: "x" };
  const owners = new Map([
    [1, owner],
    [0, owner],
  ]);
  expect(withOwners([socket(1), socket(0), socket(2)], owners).map((each) => each.owner)).toEqual([
    owner,
    undefined,
    undefined,
  ]);
});
