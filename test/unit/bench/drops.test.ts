import { expect, test } from "vitest";
import { receiveBufferErrors, udpCounter } from "../../bench/drops.ts";

const snmp = `Ip: Forwarding DefaultTTL
Ip: 1 64
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors
Udp: 100 1 8 90 7 0
UdpLite: InDatagrams NoPorts
UdpLite: 0 0
`;

test("a counter is found by its name", () => {
  expect(udpCounter(snmp, "RcvbufErrors")).toBe(7);
  expect(udpCounter(snmp, "InErrors")).toBe(8);
});

test("a counter that is not there is no zero", () => {
  expect(() => udpCounter(snmp, "MemErrors")).toThrow("no counter MemErrors");
  expect(() => udpCounter("", "RcvbufErrors")).toThrow("no counter RcvbufErrors");
});

test("this kernel counts it", () => {
  expect(receiveBufferErrors("unused", process.pid)).toBeGreaterThanOrEqual(0);
});
