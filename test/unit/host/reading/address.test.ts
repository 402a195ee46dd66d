import { isIPv6 } from "node:net";
import fc from "fast-check";
import { expect, it } from "vitest";
import { textOfAddress, textOfIpv6 } from "../../../../host/reading/address.ts";

it.each([
  ["00000000000000000000000000000000", "::"],
  ["00000000000000000000000000000001", "::1"],
  ["20010db8000000000001000000000001", "2001:db8::1:0:0:1"],
  ["20010db8000000010000000000000000", "2001:db8:0:1::"],
  ["20010db8000100020003000000040005", "2001:db8:1:2:3:0:4:5"],
  ["00000000000000000000ffffc0000201", "::ffff:192.0.2.1"],
  ["fe800000000000000000000000000001", "fe80::1"],
])("%s is %s (RFC 5952)", (hex, text) => {
  expect(textOfIpv6(Buffer.from(hex, "hex"))).toBe(text);
});

it("addresses have 4 octets or 16", () => {
  expect(textOfAddress(Buffer.from([192, 0, 2, 1]))).toBe("192.0.2.1");
  expect(textOfAddress(Buffer.alloc(16))).toBe("::");
  expect(textOfAddress(Buffer.alloc(6))).toBeUndefined();
});

it("every address has a text of its own that is an address", () => {
  const octets = fc.uint8Array({ minLength: 16, maxLength: 16 });
  // Mostly zeros: that is where texts are shortened.
  const sparse = fc
    .array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 })
    .map((a) => Uint8Array.from(a));
  fc.assert(
    fc.property(fc.oneof(octets, sparse), (address) => {
      const text = textOfIpv6(address);
      expect(isIPv6(text)).toBe(true);
      const url = new URL(`http://[${text}]/`).hostname;
      // Node writes mapped addresses in hexadecimal, and otherwise the same.
      if (!text.startsWith("::ffff:") || !text.includes(".")) expect(url).toBe(`[${text}]`);
    }),
  );
});
