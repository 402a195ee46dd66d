import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseReading } from "../../../../host/reading/parse.ts";
import type { RawReading, RawSource } from "../../../../host/reading/raw.ts";
import { FULL } from "../../../../host/reading/sources.ts";
import * as texts from "./recorded/texts.ts";

/*
 * A bundle may come from anybody. Whatever it holds, parsing it does not throw, takes time in proportion to its length, and
 * brings forth no text that moves a terminal's cursor, no negative counter and no number that is none.
 */

const whole = JSON.parse(readFileSync(join(import.meta.dirname, "recorded/linux_6_18.json"), "utf8")) as RawReading;
const FALLBACKS = { "proc/net/udp": texts.UDP_3_10, "proc/net/udp6": texts.UDP6_5_4, "proc/net/dev": texts.NET_DEV };
const CGROUP = { "cgroup/a/memory.events": "max 1\n", "cgroup/a/memory.max": "1\n" };
const templates: Record<string, RawSource> = {
  ...whole.sources,
  ...Object.fromEntries(Object.entries({ ...FALLBACKS, ...CGROUP }).map(([name, text]) => [name, { text }])),
};
const names = [...new Set([...FULL, ...Object.keys(templates)])];

const octetsOf = (source: RawSource | undefined): Buffer => {
  if (source === undefined || "error" in source) return Buffer.alloc(0);
  return "text" in source ? Buffer.from(source.text) : Buffer.from(source.base64, "base64");
};

interface Edit {
  readonly at: number;
  readonly cut: number;
  readonly insert: Uint8Array;
}

const piece = fc.oneof(
  fc.uint8Array({ maxLength: 12 }),
  fc
    .constantFrom("\n", "\t", ":", " ", "-1", "ffffffff", "99999999999999999999", "\u001b[2J", "é")
    .map((text) => Buffer.from(text)),
);
const edit: fc.Arbitrary<Edit> = fc.record({ at: fc.nat(20_000), cut: fc.nat(64), insert: piece });

function edited(octets: Buffer, edits: readonly Edit[]): Buffer {
  return edits.reduce((current, { at, cut, insert }) => {
    const place = current.length === 0 ? 0 : at % current.length;
    return Buffer.concat([current.subarray(0, place), insert, current.subarray(place + cut)]);
  }, octets);
}

function* valuesIn(value: unknown): Generator<unknown> {
  if (typeof value !== "object" || value === null) {
    yield value;
    return;
  }
  const inner = value instanceof Map ? [...value].flat() : Object.values(value);
  for (const each of inner) yield* valuesIn(each);
}

function check(sources: Record<string, RawSource>): void {
  const reading = parseReading({ steadyMs: 0, time: "", sources });
  for (const value of valuesIn({ ...reading, sysctls: undefined })) {
    if (typeof value === "string") expect(value).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
    if (typeof value === "bigint") expect(value).toBeGreaterThanOrEqual(0n);
    if (typeof value === "number") expect(Number.isSafeInteger(value) && value >= 0).toBe(true);
  }
}

describe("no input makes it throw", () => {
  it("recorded sources with octets changed, cut and added", () => {
    const change = fc.record({
      name: fc.constantFrom(...Object.keys(templates)),
      edits: fc.array(edit, { minLength: 1, maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const sources = { ...templates };
        for (const { name, edits } of changes) {
          const octets = edited(octetsOf(sources[name]), edits);
          sources[name] =
            name in sources && "base64" in sources[name]!
              ? { base64: octets.toString("base64") }
              : { text: octets.toString("utf8") };
        }
        check(sources);
      }),
      { numRuns: 1_000 },
    );
  });

  it("any text and any octets under any name", () => {
    const text = fc.oneof(fc.string({ unit: "binary", maxLength: 200 }), fc.string({ maxLength: 200 }));
    const source = fc.oneof(
      text.map((value) => ({ text: value })),
      fc.uint8Array({ maxLength: 300 }).map((value) => ({ base64: Buffer.from(value).toString("base64") })),
      text.map((value) => ({ error: value })),
      fc.jsonValue().map((value) => value as never),
    );
    const name = fc.oneof(
      fc.constantFrom(...names),
      fc.string({ unit: "binary" }).map((value) => `cgroup/${value}/memory.events`),
    );
    fc.assert(fc.property(fc.dictionary(name, source, { maxKeys: 8 }), check), { numRuns: 1_000 });
  });
});

/** Characters of what makes a careless pattern go back again and again. */
const LONG = 200_000;

describe("time goes with the length of a source", () => {
  it.each([
    " ",
    "\n",
    ":",
    "0 ",
    "a ",
    "a: 1 ",
    "Udp: a\n",
    "Udp: ",
    "0\n",
    "9",
    "UDP: mem 1 ",
    "Pre-set maximums:",
    "RX:\t",
    "a\t",
    "# ",
    "cpu1 ",
  ])("%j again and again", (token) => {
    const text = token.repeat(LONG / token.length);
    check(Object.fromEntries(names.map((name) => [name, { text }])));
  });

  it("a table whose head is as long as its rows are many", () => {
    check({ "proc/net/stat/nf_conntrack": { text: `${"a ".repeat(LONG / 4)}\n${"0\n".repeat(LONG / 4)}` } });
  });

  it.each([0x00, 0x01, 0x04, 0x10, 0xff])("octets %i again and again", (octet) => {
    const base64 = Buffer.alloc(LONG, octet).toString("base64");
    check(Object.fromEntries(names.map((name) => [name, { base64 }])));
  });
});
