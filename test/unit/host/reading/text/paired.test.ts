import { expect, it } from "vitest";
import { parsePaired } from "../../../../../host/reading/text/paired.ts";
import { NETSTAT, SNMP_2_6, SNMP_3_10, SNMP_4_15, SNMP_6_6 } from "../recorded/texts.ts";

const udpOf = (text: string): Record<string, bigint> => Object.fromEntries(parsePaired(text).value!.get("Udp")!);

it("a column that a kernel does not have is absent, and never 0", () => {
  expect(udpOf(SNMP_2_6)).not.toHaveProperty("InCsumErrors");
  expect(udpOf(SNMP_3_10)).toMatchObject({ RcvbufErrors: 143350293n, InCsumErrors: 0n });
  expect(udpOf(SNMP_3_10)).not.toHaveProperty("MemErrors");
  expect(udpOf(SNMP_4_15)).not.toHaveProperty("MemErrors");
  expect(udpOf(SNMP_6_6)).toMatchObject({ InErrors: 30n, MemErrors: 5n });
});

it("columns go by their names: newer kernels put new ones into the midst", () => {
  expect(parsePaired(SNMP_2_6).value!.get("Icmp")!.get("InDestUnreachs")).toBe(10n);
  expect(parsePaired(SNMP_3_10).value!.get("Icmp")!.get("InDestUnreachs")).toBe(10n);
  expect(parsePaired(SNMP_6_6).value!.get("Ip")!.get("OutTransmits")).toBe(13388n);
});

it("a group with few columns, such as IcmpMsg, is one like the others", () => {
  expect([...parsePaired(SNMP_2_6).value!.get("IcmpMsg")!]).toEqual([
    ["InType3", 2293n],
    ["OutType3", 2746n],
  ]);
});

it("UdpLite is not Udp, and what is no counter (MaxConn -1) is left out", () => {
  const groups = parsePaired(SNMP_2_6).value!;
  expect(groups.get("UdpLite")!.get("InErrors")).toBe(7n);
  expect(groups.get("Udp")!.get("InErrors")).toBe(0n);
  expect(groups.get("Tcp")!.has("MaxConn")).toBe(false);
});

it("numbers have 64 bit", () => {
  expect(parsePaired(NETSTAT).value!.get("IpExt")!.get("InOctets")).toBe(18446744073709551615n);
  const tooLarge = parsePaired("Udp: InErrors NoPorts\nUdp: 18446744073709551616 1\n").value!.get("Udp")!;
  expect([...tooLarge]).toEqual([["NoPorts", 1n]]);
});

it("a text that ends within a number does not give that number", () => {
  const cut = SNMP_6_6.slice(0, SNMP_6_6.lastIndexOf("50 20") + 1);
  expect(udpOf(cut)).toEqual({ InDatagrams: 100n, NoPorts: 2n, InErrors: 30n });
});

it("a row copied without its last line end is whole", () => {
  expect(udpOf(SNMP_4_15.trimEnd())).toMatchObject({ InErrors: 145418581n, IgnoredMulti: 0n });
});

it("a row of names without one of values is no group, the next ones are", () => {
  const { value } = parsePaired("Ip: InReceives\nUdp: InErrors\nUdp: 3\n");
  expect([...value!.keys()]).toEqual(["Udp"]);
});

it.each(["", "\n", "garbage", "Udp: 1 2 3", "Udp:\n"])("of %j nothing can be told, and it is said why", (text) => {
  expect(parsePaired(text)).toEqual({ value: undefined, reason: expect.stringContaining("no row of names") });
});
