import { describe, expect, it } from "vitest";
import { addressKind, parseIpAddress } from "../../../crds/ip_address.ts";
import { durationMs, sizeBytes } from "../../../crds/quantities.ts";

describe("sizeBytes", () => {
  it.each([
    ["0", 0],
    ["4096", 4096],
    ["64Ki", 65_536],
    ["8Mi", 8_388_608],
    ["1Gi", 1_073_741_824],
    ["", undefined],
    ["8M", undefined],
    ["8mi", undefined],
    ["08", undefined],
    ["1.5Mi", undefined],
    ["-1", undefined],
    ["1 Mi", undefined],
    ["1Mi\n", undefined],
  ])("%j -> %j", (text, bytes) => {
    expect(sizeBytes(text)).toBe(bytes);
  });
});

describe("durationMs", () => {
  it.each([
    ["120s", 120_000],
    ["500ms", 500],
    ["10m", 600_000],
    ["1h30m", 5_400_000],
    ["1h2m3s4ms", 3_723_004],
    ["0s", 0],
    ["", undefined],
    ["5", undefined],
    ["s", undefined],
    ["1m1h", undefined],
    ["1.5s", undefined],
    ["-1s", undefined],
    ["1d", undefined],
    ["1s ", undefined],
  ])("%j -> %j", (text, ms) => {
    expect(durationMs(text)).toBe(ms);
  });
});

describe("parseIpAddress", () => {
  it.each([
    ["10.0.0.7", 4, "10.0.0.7", "0a000007", "unicast"],
    ["0.0.0.0", 4, "0.0.0.0", "00000000", "unspecified"],
    ["169.254.169.254", 4, "169.254.169.254", "a9fea9fe", "link-local"],
    ["127.1.2.3", 4, "127.1.2.3", "7f010203", "loopback"],
    ["224.0.0.1", 4, "224.0.0.1", "e0000001", "multicast"],
    ["239.255.255.255", 4, "239.255.255.255", "efffffff", "multicast"],
    ["255.255.255.255", 4, "255.255.255.255", "ffffffff", "broadcast"],
    ["::", 6, "::", "0".repeat(32), "unspecified"],
    ["::1", 6, "::1", `${"0".repeat(31)}1`, "loopback"],
    ["::2", 6, "::2", `${"0".repeat(31)}2`, "unicast"],
    ["2001:DB8::A", 6, "2001:db8::a", "20010db800000000000000000000000a", "unicast"],
    ["2001:db8:0:0:1:0:0:1", 6, "2001:db8::1:0:0:1", "20010db8000000000001000000000001", "unicast"],
    ["2001:db8:0:1:1:1:1:1", 6, "2001:db8:0:1:1:1:1:1", "20010db8000000010001000100010001", "unicast"],
    ["1::", 6, "1::", `0001${"0".repeat(28)}`, "unicast"],
    ["64:ff9b::192.0.2.33", 6, "64:ff9b::c000:221", "0064ff9b0000000000000000c0000221", "unicast"],
    ["::ffff:10.0.0.7", 6, "::ffff:a00:7", "00000000000000000000ffff0a000007", "mapped"],
    ["ff02::1", 6, "ff02::1", `ff02${"0".repeat(27)}1`, "multicast"],
    ["fe80::1", 6, "fe80::1", `fe80${"0".repeat(27)}1`, "link-local"],
    ["febf::1", 6, "febf::1", `febf${"0".repeat(27)}1`, "link-local"],
    ["fec0::1", 6, "fec0::1", `fec0${"0".repeat(27)}1`, "unicast"],
  ])("%s", (...[text, family, canonical, hex, kind]) => {
    const address = parseIpAddress(text)!;
    expect({ ...address, octets: Buffer.from(address.octets).toString("hex") }).toEqual({
      family,
      text: canonical,
      octets: hex,
    });
    expect(addressKind(address)).toBe(kind);
    expect(parseIpAddress(canonical)).toEqual(address);
  });

  it.each([
    "",
    "localhost",
    "10.0.0",
    "10.0.0.256",
    "010.0.0.1",
    "10.0.0.1/8",
    "1::2::3",
    "fe80::1%eth0",
    " ::1",
  ])("refuses %j", (text) => {
    expect(parseIpAddress(text)).toBeUndefined();
  });
});
