import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseEnums } from "../../../../host/reading/btf.ts";

const fixture = (name: string): Buffer =>
  readFileSync(join(import.meta.dirname, "../../../fixtures/btf", `${name}.btf`));
const all = () => true;

/** Types and strings behind a header as the kernel writes it. */
function btf(
  types: readonly number[],
  strings: string,
  { header = 24, lengths = [types.length * 4, strings.length] } = {},
) {
  const octets = Buffer.alloc(24 + types.length * 4 + strings.length);
  octets.writeUInt16LE(0xeb9f, 0);
  octets[2] = 1;
  [header, 0, lengths[0]!, types.length * 4, lengths[1]!].forEach(
    (value, i) => void octets.writeUInt32LE(value, 4 + 4 * i),
  );
  types.forEach((word, i) => void octets.writeUInt32LE(word >>> 0, 24 + 4 * i));
  octets.write(strings, 24 + types.length * 4, "latin1");
  return octets;
}

const enumOf = (name: number, ...members: readonly (readonly [name: number, value: number])[]): number[] => [
  name,
  ((6 << 24) | members.length) >>> 0,
  4,
  ...members.flat(),
];

test("enums come with the names and numbers that the compiler gave them", () => {
  const enums = parseEnums(fixture("older"), all);
  expect([...enums.keys()].sort()).toEqual(["other", "skb_drop_reason"]);
  expect(enums.get("other")).toEqual([{ name: "SKB_DROP_REASON_IN_NAME_ALONE", value: 2 }]);
  expect(enums.get("skb_drop_reason")?.find(({ name }) => name.endsWith("SOCKET_RCVBUFF"))?.value).toBe(16);
});

test("values are unsigned", () => {
  const newer = parseEnums(fixture("newer"), (name) => name === "skb_drop_reason");
  expect([...newer.keys()]).toEqual(["skb_drop_reason"]);
  expect(newer.get("skb_drop_reason")?.at(-1)).toEqual({ name: "SKB_DROP_REASON_SUBSYS_MASK", value: 0xffff0000 });
});

test("a module's names go on where those of vmlinux end", () => {
  const base = btf(enumOf(1, [7, 1]), "\0colors\0RED\0");
  const length = "\0colors\0RED\0".length;
  const module = btf(enumOf(length + 1, [8, 5], [length + 8, 6]), "\0shades\0GREY\0");
  expect(parseEnums(module, all, base)).toEqual(
    new Map([
      [
        "shades",
        [
          { name: "RED", value: 5 },
          { name: "GREY", value: 6 },
        ],
      ],
    ]),
  );
});

test("of two enums of one name, the one that tells more", () => {
  const twice = btf([...enumOf(1, [3, 1]), ...enumOf(1, [3, 1], [5, 2]), ...enumOf(1, [3, 9])], "\0e\0A\0B\0");
  expect(parseEnums(twice, all).get("e")).toEqual([
    { name: "A", value: 1 },
    { name: "B", value: 2 },
  ]);
});

const swapped = Buffer.from(fixture("older"));
swapped.swap16();
test.each([
  ["nothing", Buffer.alloc(0), "BTF: 0 octets are no header"],
  ["another file", Buffer.from("\x7fELF and then some more of it"), "BTF: begins with 0x457f, not 0xeb9f"],
  ["the other byte order", swapped, "BTF: of a machine of the other byte order"],
  ["a version to come", Buffer.from([0x9f, 0xeb, 2, ...Array(40).fill(0)]), "BTF: version 2, not 1"],
  ["types that go beyond the end", btf([], "\0", { lengths: [400, 1] }), "BTF: a section ends at 424 of 25 octets"],
  ["a header that begins with itself", btf([], "\0", { header: 0 }), "BTF: a section ends at 0 of 25 octets"],
  ["an unknown kind", btf([0, 31 << 24, 0], "\0"), "BTF: a type of kind 31 at 24, which this program does not know"],
  ["a type that is cut off", btf([0, 6 << 24], "\0"), "BTF: a type of kind 0 at 24, which this program does not know"],
  ["members that are cut off", btf([1, (6 << 24) | 9, 4], "\0e\0"), "BTF: the type at 24 is cut off"],
  ["a name behind the last", btf(enumOf(1, [99, 1]), "\0e\0"), "BTF: a name at 99, behind the last"],
  ["a name without an end", btf(enumOf(1, [3, 1]), "\0e\0AB"), "BTF: a name at 3, behind the last"],
])("refused: %s", (_, octets, message) => {
  expect(() => parseEnums(octets, all)).toThrow(message);
});

test("whatever is cut off or changed: an answer or a refusal that says BTF", () => {
  const whole = fixture("older");
  const change = fc.record({ at: fc.nat(whole.length - 1), octet: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 8 }), fc.nat(whole.length), (changes, length) => {
      const octets = Buffer.from(whole.subarray(0, length));
      for (const { at, octet } of changes) if (at < length) octets[at] = octet;
      try {
        parseEnums(octets, all);
      } catch (error) {
        expect((error as Error).message).toMatch(/^BTF: /);
      }
    }),
    { numRuns: 3_000 },
  );
});
