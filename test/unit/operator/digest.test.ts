import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, digestOf, share } from "../../../operator/digest.ts";

/** As it was when the digests that clusters hold were made. */
function first(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

describe("the digest of a value", () => {
  it("is what it always was, whatever the value", () => {
    const values = fc.oneof(fc.object({ withSparseArray: false }), fc.jsonValue(), fc.array(fc.constant(undefined)));
    fc.assert(
      fc.property(values, (value) => {
        expect(canonicalJson(value)).toBe(first(value));
        if (value !== undefined) {
          const digest = createHash("sha256").update(first(value)).digest("hex").slice(0, 16);
          expect(digestOf(value)).toBe(digest);
        }
      }),
    );
  });

  it("leaves out what is undefined, and has keys that are numbers where an object has them", () => {
    const value = { b: undefined, 10: 1, 9: 2, a: [undefined, { 2: 1, 1: 2 }], "01": 3, "": 4 };
    expect(canonicalJson(value)).toBe(first(value));
    expect(canonicalJson(value)).toBe('{"9":2,"10":1,"":4,"01":3,"a":[null,{"1":2,"2":1}]}');
  });

  it("is the same for an object whose text is remembered", () => {
    const part = share({ b: 1, a: [2] });
    expect(digestOf({ part, other: part })).toBe(digestOf({ other: { a: [2], b: 1 }, part: { a: [2], b: 1 } }));
  });
});
