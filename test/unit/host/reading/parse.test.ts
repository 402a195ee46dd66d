import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseReading } from "../../../../host/reading/parse.ts";
import type { RawReading, RawSource } from "../../../../host/reading/raw.ts";
import { FULL } from "../../../../host/reading/sources.ts";
import * as recorded from "./recorded/texts.ts";

const rawOf = (sources: Record<string, RawSource>): RawReading => {
  return { steadyMs: 1, time: "2026-01-01T00:00:00Z", sources };
};

/**
 * Of a namespace on Linux 6.18: 50 datagrams for a socket with room for 3 at port 4433, three for a dual-stack one at 4434, one
 * for nobody, some through a tbf to neighbours that do not answer; an XDP program that drops all.
 */
const recordedReading = (): RawReading =>
  JSON.parse(readFileSync(join(import.meta.dirname, "recorded/linux_6_18.json"), "utf8")) as RawReading;

describe("a reading of Linux 6.18", () => {
  const reading = parseReading(recordedReading());

  it("has its sockets, with queues, drops and owners", () => {
    expect(reading.sockets).toHaveLength(5);
    const [full] = reading.sockets!.filter(({ localPort }) => localPort === 4433);
    expect(full).toMatchObject({
      family: 4,
      localAddress: "127.0.0.1",
      receiveQueueBytes: 6912,
      receiveBufferBytes: 8192,
      sendBufferBytes: 212_992,
      drops: 47,
      owner: { command: "python3", cgroup: "/", openFiles: 10 },
    });
    const [dual] = reading.sockets!.filter(({ localPort }) => localPort === 4434);
    expect(dual).toMatchObject({ family: 6, localAddress: "::", receiveQueueBytes: 2496, drops: 0 });
    const [connected] = reading.sockets!.filter(({ localPort }) => localPort === 4435);
    expect(connected).toMatchObject({ localAddress: "::1", remote: { address: "::1", port: 4434 } });
    expect(connected!.owner).toBeUndefined();
  });

  it("has its counters by name", () => {
    expect(Object.fromEntries(reading.udp4!)).toMatchObject({ InErrors: 47n, RcvbufErrors: 47n, NoPorts: 1n });
    expect(reading.udp4!.get("MemErrors")).toBe(0n);
    expect(reading.udp6!.get("InErrors")).toBe(0n);
    expect(reading.ip4!.get("InReceives")).toBe(71n);
    expect(reading.ip4Ext!.get("InNoECTPkts")).toBe(71n);
    expect(reading.tcpExt!.get("IPReversePathFilter")).toBe(0n);
    expect(reading.arpCache!.get("res_failed")).toBe(2n);
    expect(reading.icmp4!.get("OutDestUnreachs")).toBe(17n);
  });

  it("has its interfaces, with what drops on them", () => {
    const [lo, v0] = reading.links!;
    expect(lo).toMatchObject({ name: "lo", isLoopback: true, isUp: true, mtu: 65536 });
    expect(v0).toMatchObject({ name: "v0", kind: "veth", xdp: "native", channels: { rx: 1, rxMax: 2 } });
    expect(v0!.stats.get("rx_packets")).toBe(10n);
    expect(v0!.driver).toEqual({ name: "veth", version: "1.0" });
    expect(v0!.driverStats).toContainEqual({ name: "rx_queue_0_xdp_drops", value: 9n });
    expect(reading.qdiscs).toContainEqual(expect.objectContaining({ kind: "tbf", interfaceIndex: 2, parent: "root" }));
    expect(reading.neighbours).toContainEqual({ interfaceIndex: 2, address: "10.9.0.77", state: "FAILED" });
  });

  it("has the rest, and lacks one thing only", () => {
    expect(reading.kernelRelease).toBe("6.18.44");
    expect(reading.cpus!.map(({ cpu }) => cpu)).toEqual([0, 1]);
    expect(reading.softnet!.map(({ cpu }) => cpu)).toEqual([0, 1]);
    expect(reading.conntrack).toMatchObject({ count: 0, max: 262_144 });
    expect(reading.sysctls.get("net.ipv4.udp_mem")).toHaveLength(3);
    expect(reading.sysctls.get("net.ipv4.conf.v0.rp_filter")).toEqual([0]);
    expect([...reading.missing]).toEqual([["ethtool/v0/rings", "the driver does not tell (EOPNOTSUPP)"]]);
  });
});

describe("a trouble report that quotes little", () => {
  it("is read as far as it goes, and the rest is missing with a reason", () => {
    const reading = parseReading(rawOf({ "proc/net/snmp": { text: recorded.SNMP_4_15 } }));
    expect(reading.udp4!.get("RcvbufErrors")).toBe(143350293n);
    expect(reading.udp4!.has("MemErrors")).toBe(false);
    for (const [name, value] of Object.entries(reading)) {
      const empty = [undefined, "conntrack", "memoryCgroups", "sysctls", "missing", "steadyMs", "time", "udp4"];
      if (!empty.includes(name)) expect([name, value]).toEqual([name, undefined]);
    }
    expect(reading.conntrack).toEqual({ stats: undefined, count: undefined, max: undefined });
    for (const name of ["proc/net/softnet_stat", "proc/net/udp", "rtnl/link", "inet_diag/udp4", "sockets/owners"]) {
      expect([name, reading.missing.get(name)]).toEqual([name, "not part of this reading"]);
    }
    expect(reading.missing.has("proc/net/snmp")).toBe(false);
  });

  it("sockets come from /proc/net/udp where there is no inet_diag", () => {
    const reading = parseReading(
      rawOf({ "proc/net/udp": { text: recorded.UDP_3_10 }, "inet_diag/udp4": { error: "not there (ENOENT): old" } }),
    );
    expect(reading.sockets!.map(({ drops }) => drops)).toEqual([1_875_166_813, 2 ** 31]);
    expect(reading.missing.get("inet_diag/udp4")).toBe("not there (ENOENT): old");
    expect(reading.missing.has("proc/net/udp")).toBe(false);
  });

  it("interfaces come from /proc/net/dev where there is no netlink, with what ethtool says of them", () => {
    const reading = parseReading(
      rawOf({
        "proc/net/dev": { text: recorded.NET_DEV },
        "ethtool/eth0/stats": { text: "NIC statistics:\n     rx_missed_errors: 7142467\n" },
        "ethtool/eth0/rings": { error: "not allowed" },
      }),
    );
    const eth0 = reading.links!.find(({ name }) => name === "eth0")!;
    expect(eth0.stats.get("rx_dropped")).toBe(7142467n);
    expect(eth0.driverStats).toEqual([{ name: "rx_missed_errors", value: 7142467n }]);
    expect(eth0.rings).toBeUndefined();
    expect(reading.missing.get("ethtool/eth0/rings")).toBe("not allowed");
  });

  it("rows of softnet_stat without a CPU go by the CPUs of /proc/stat", () => {
    const softnet = { text: recorded.SOFTNET[10] + recorded.SOFTNET[10] };
    const sources = { "proc/net/softnet_stat": softnet, "proc/stat": { text: recorded.STAT } };
    expect(parseReading(rawOf(sources)).softnet!.map(({ cpu }) => cpu)).toEqual([0, 2]);
  });
});

it("memory of cgroups goes by their paths; one without events is none", () => {
  const reading = parseReading(
    rawOf({
      "cgroup/kubepods/pod1/memory.events": { text: "max 17\n" },
      "cgroup/kubepods/pod1/memory.current": { text: "100\n" },
      "cgroup/kubepods/pod1/memory.max": { text: "200\n" },
      "cgroup/kubepods/memory.events": { text: "max 0\n" },
      "cgroup/kubepods/memory.max": { text: "max\n" },
      "cgroup/gone/memory.events": { error: "not there" },
    }),
  );
  expect(reading.memoryCgroups).toEqual([
    { cgroup: "/kubepods/pod1", events: new Map([["max", 17n]]), currentBytes: 100, maxBytes: 200 },
    { cgroup: "/kubepods", events: new Map([["max", 0n]]) },
  ]);
  expect(reading.missing.get("cgroup/gone/memory.events")).toBe("not there");
});

it.each([
  ["text where octets belong", { "rtnl/link": { text: "x" } }, "rtnl/link", "it holds no base64"],
  ["octets where text belongs", { "proc/net/snmp": { base64: "eA==" } }, "proc/net/snmp", "it holds no text"],
  ["nothing", { "proc/net/snmp": null }, "proc/net/snmp", "it holds no text"],
  ["a number", { "proc/net/snmp": { text: 7 } }, "proc/net/snmp", "it holds no text"],
])("a foreign bundle with %s is read around", (_, sources, name, reason) => {
  const reading = parseReading(rawOf(sources as never));
  expect(reading.missing.get(name)).toBe(reason);
});

it("a bundle of which nothing is as it should be is an empty reading", () => {
  for (const raw of [
    {},
    { sources: 7 },
    { sources: [], time: { toString: 1, valueOf: 1 }, steadyMs: { valueOf: 1 } },
  ]) {
    expect(parseReading(raw as never)).toMatchObject({ steadyMs: 0, time: "", sockets: undefined });
  }
});

it("reasons of others are printed without what moves a terminal's cursor", () => {
  const reading = parseReading(rawOf({ "proc/net/snmp": { error: "\u001b[2Jall is well" } }));
  expect(reading.missing.get("proc/net/snmp")).toBe("?[2Jall is well");
});

it("every source that is read has a parser: with text that is none of its kind each says so", () => {
  const patterns = [...FULL].filter((name) => !["ethtool", "cgroup"].includes(name));
  const sources = Object.fromEntries(patterns.map((name) => [name, { text: "\u0001", base64: "/w==" }]));
  const { missing } = parseReading(rawOf(sources as never));
  expect(patterns.filter((name) => !missing.has(name))).toEqual(["proc/sys/kernel/osrelease"]);
});
