import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cidrContains, parseCidr, translatedIpv4 } from "../../../crds/cidr.ts";
import { parseIpAddress } from "../../../crds/ip_address.ts";

const contains = (cidr: string, address: string): boolean => cidrContains(parseCidr(cidr)!, parseIpAddress(address)!);

describe("a range of addresses", () => {
  it.each([
    ["10.0.0.0/8", "10.255.255.255", true],
    ["10.0.0.0/8", "11.0.0.0", false],
    ["10.1.2.3/31", "10.1.2.2", true],
    ["10.1.2.3/32", "10.1.2.2", false],
    ["192.168.4.0/22", "192.168.7.255", true],
    ["192.168.4.0/22", "192.168.8.0", false],
    ["0.0.0.0/0", "255.255.255.254", true],
    ["0.0.0.0/0", "::1", false],
    ["::/0", "10.0.0.1", false],
    ["fd00::/8", "fdff::1", true],
    ["fd00::/8", "fe00::1", false],
    ["2001:db8::8/125", "2001:db8::f", true],
    ["2001:db8::8/125", "2001:db8::10", false],
  ])("%s and %s: %j", (cidr, address, is) => {
    expect(contains(cidr, address)).toBe(is);
  });

  it.each([
    ["10.0.0.0"],
    ["10.0.0.0/33"],
    ["10.0.0/8"],
    ["fd00::/129"],
    ["fd00::/08"],
    ["/8"],
    ["::ffff:10.0.0.0/104"],
    ["fe80::1%eth0/64"],
    ["10.0.0.0/-1"],
  ])("%s is none", (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });

  it("holds exactly those whose first bits are its own", () => {
    const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
    const text = (value: number): string => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
    fc.assert(
      fc.property(uint32, uint32, fc.integer({ min: 0, max: 32 }), (base, address, bits) => {
        const same = bits === 0 || base >>> (32 - bits) === address >>> (32 - bits);
        expect(contains(`${text(base)}/${bits}`, text(address))).toBe(same);
      }),
    );
  });
});

describe("an address of the well-known prefix of translators", () => {
  it("stands for the IPv4 address within", () => {
    expect(translatedIpv4(parseIpAddress("64:ff9b::10.0.0.1")!)?.text).toBe("10.0.0.1");
  });

  it.each([["64:ff9b:1::1"], ["10.0.0.1"], ["fd00::1"]])("%s is none", (text) => {
    expect(translatedIpv4(parseIpAddress(text)!)).toBeUndefined();
  });
});
