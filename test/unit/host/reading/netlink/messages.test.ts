import { expect, it } from "vitest";
import { decodeAttributes } from "../../../../../host/reading/netlink/attributes.ts";
import { decodeMessages } from "../../../../../host/reading/netlink/messages.ts";
import { attribute, done, error, INTERRUPTED, MULTI, message, u32s } from "./octets.ts";

const row = (value: number, flags = MULTI): Buffer => message(16, flags, u32s(value));
const dump = (...messages: readonly Uint8Array[]): Buffer => Buffer.concat(messages);

it("a dump is whole with its end, and messages are told apart by type", () => {
  const { messages, problem, isInterrupted } = decodeMessages(dump(row(1), row(2), done()));
  expect(messages.map(({ type, payload }) => [type, payload[0]])).toEqual([
    [16, 1],
    [16, 2],
  ]);
  expect([problem, isInterrupted]).toEqual([undefined, false]);
});

it("so are several one after the other, and an answer of one message", () => {
  expect(decodeMessages(dump(row(1), done(), done(), row(2), done()))).toMatchObject({ messages: [{}, {}] });
  expect(decodeMessages(dump(row(1), done(), done(), row(2), done())).problem).toBeUndefined();
  expect(decodeMessages(row(1, 0)).problem).toBeUndefined();
});

it("what ends without its end keeps what there is, and says so", () => {
  const whole = dump(row(1), row(2), done());
  for (let length = 0; length < whole.length; length++) {
    const { messages, problem } = decodeMessages(whole.subarray(0, length));
    expect(messages.length).toBe(Math.floor(Math.min(length, 40) / 20));
    expect(problem).toBe(`the answer ends after ${messages.length} messages`);
  }
  expect(decodeMessages(dump(row(1), done(), row(2))).problem).toBe("the answer ends after 2 messages");
});

it.each([
  ["in a message", dump(row(1, MULTI | INTERRUPTED), done())],
  ["in the end of the dump", dump(row(1), done(MULTI | INTERRUPTED))],
])("a table that changed meanwhile is told: %s", (_, octets) => {
  const { messages, problem, isInterrupted } = decodeMessages(octets);
  expect([messages.length, problem, isInterrupted]).toEqual([1, "the table changed while it was read", true]);
});

it.each([
  ["an error", error(-2), "ENOENT"],
  ["an error at the end of a dump", dump(row(1), done(MULTI, -95)), "ENOTSUP"],
  ["an error without a name", error(-4000), "error 4000"],
])("the kernel's refusal is told by name: %s", (_, octets, refusal) => {
  expect(decodeMessages(octets)).toMatchObject({ refusal, problem: `the kernel refused: ${refusal}` });
});

it("an acknowledgement is no refusal", () => {
  expect(decodeMessages(error(0))).toEqual({ messages: [], isInterrupted: false });
});

it.each([0, 15, 1000, 0xffff_ffff])("a message that claims %i octets ends the walk", (length) => {
  const octets = dump(row(1), u32s(length, 0, 0, 0, 0));
  expect(decodeMessages(octets)).toMatchObject({ messages: [{}], problem: "the answer ends after 1 messages" });
});

it("attributes: by type without its flags, the last of equal ones, up to where there is none", () => {
  const octets = dump(attribute(0x8003, u32s(7)), attribute(4, Buffer.from([1])), attribute(4, Buffer.from([2])));
  const attributes = decodeAttributes(octets);
  expect([...attributes].map(([type, { length }]) => [type, length])).toEqual([
    [3, 4],
    [4, 1],
  ]);
  expect(attributes.get(4)![0]).toBe(2);
  expect(decodeAttributes(dump(octets, u32s(0xffff))).size).toBe(2);
  expect(decodeAttributes(dump(octets, u32s(1))).size).toBe(2);
  expect(decodeAttributes(undefined).size).toBe(0);
});
