import { expect, test } from "vitest";
import { parseWitness } from "../../../../host/reading/witness.ts";
import { drop, witness } from "./drop_fixture.ts";

const whole = witness({
  level: "udp_fail",
  refusals: [{ level: "reasons", why: "the kernel gives no drop reasons" }],
  drops: [drop({ cookie: "17" }), drop({ family: 0, port: 0 })],
  stopped: { eventsPerSecond: 250_000.5 },
});
const copy = () => JSON.parse(JSON.stringify(whole));

test("a bundle's witness comes back as it was saved", () => {
  expect(parseWitness(copy())).toEqual(whole);
  expect(parseWitness(JSON.parse(JSON.stringify(witness())))).toEqual(witness());
});

test("what it does not know is left out", () => {
  expect(parseWitness({ ...copy(), more: 1, drops: [{ ...drop(), __proto__: 3, more: {} }] }).drops).toEqual([drop()]);
});

const changed = (path: readonly (string | number)[], value: unknown): unknown => {
  const document = copy();
  const parent = path.slice(0, -1).reduce((at, key) => at[key], document);
  parent[path.at(-1)!] = value;
  return document;
};

test.each([
  [null, "witness is no object"],
  [[], "witness is no object"],
  [changed(["level"], "guess"), "witness.level is none of reasons, udp_fail, counters"],
  [changed(["events"], -1), "witness.events is no whole number of 0 or more"],
  [changed(["lost"], 1.5), "witness.lost is no whole number of 0 or more"],
  [changed(["missed"], 2 ** 60), "witness.missed is no whole number of 0 or more"],
  [changed(["seconds"], null), "witness.seconds is no number of 0 or more"],
  [changed(["seconds"], "10"), "witness.seconds is no number of 0 or more"],
  [changed(["drops"], {}), "witness.drops is no list of at most 2048"],
  [changed(["drops"], Array(2049).fill(drop())), "witness.drops is no list of at most 2048"],
  [changed(["drops", 1], 7), "witness.drops[1] is no object"],
  [changed(["drops", 0, "reason"], "\u001b[2J"), "witness.drops[0].reason is no text of the form"],
  [changed(["drops", 0, "reason"], "A".repeat(101)), "witness.drops[0].reason is no text of the form"],
  [changed(["drops", 0, "family"], 5), "witness.drops[0].family is none of 0, 4, 6"],
  [changed(["drops", 0, "direction"], "up"), "witness.drops[0].direction is none of in, out"],
  [changed(["drops", 0, "cookie"], 17), "witness.drops[0].cookie is no text of the form"],
  [changed(["drops", 0, "isFragment"], 0), "witness.drops[0].isFragment is none of true, false"],
  [changed(["refusals", 0, "why"], "a\nb"), "witness.refusals[0].why is no text of the form"],
  [changed(["stopped"], true), "witness.stopped is no object"],
])("refused, with the field: %#", (document, message) => {
  expect(() => parseWitness(document)).toThrow(message);
});
