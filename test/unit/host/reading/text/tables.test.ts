import { describe, expect, it } from "vitest";
import { printable } from "../../../../../host/reading/text/columns.ts";
import { parseCpuTimes } from "../../../../../host/reading/text/cpu_times.ts";
import { parseMemoryEvents, parseMemorySize } from "../../../../../host/reading/text/memory_cgroup.ts";
import { parseNetDev } from "../../../../../host/reading/text/net_dev.ts";
import { parseNetfilterQueues } from "../../../../../host/reading/text/netfilter_queue.ts";
import { formatOwner, OWNERS_HEAD, parseOwners } from "../../../../../host/reading/text/owners.ts";
import { parsePerCpuTable } from "../../../../../host/reading/text/per_cpu_table.ts";
import { parseSnmp6 } from "../../../../../host/reading/text/snmp6.ts";
import { parseUdpMemoryPages } from "../../../../../host/reading/text/sockstat.ts";
import { parseSysctl, sysctlName } from "../../../../../host/reading/text/sysctl.ts";
import * as recorded from "../recorded/texts.ts";

describe("snmp6", () => {
  it("splits names by their group; UdpLite6 is not Udp6", () => {
    const groups = parseSnmp6(recorded.SNMP6).value!;
    expect(Object.fromEntries(groups.get("Udp6")!)).toEqual({ InDatagrams: 186861n, InErrors: 47n, MemErrors: 9n });
    expect(groups.get("UdpLite6")!.get("InDatagrams")).toBe(11n);
    expect(groups.get("Icmp6")!.get("InType134")).toBe(2n);
    expect(groups.get("Ip6")!.get("InReceives")).toBe(2023n);
  });

  it("does not believe a number at which the text ends", () => {
    expect(parseSnmp6(recorded.SNMP6.slice(0, -2)).value!.has("UdpLite6")).toBe(false);
  });

  it("says when it is something else", () => {
    expect(parseSnmp6("Ip6InReceives none\n")).toMatchObject({ value: undefined, reason: expect.any(String) });
  });
});

describe("tables of /proc/net/stat", () => {
  it("sums CPUs, but not the entries that each row repeats", () => {
    const counters = parsePerCpuTable(recorded.CONNTRACK_NEW).value!;
    expect(counters.get("entries")).toBe(9n);
    expect(counters.get("insert_failed")).toBe(0x44n);
    expect(counters.get("drop")).toBe(0x55n);
    expect(counters.get("early_drop")).toBe(0x66n);
    expect(counters.get("clashres")).toBe(3n);
  });

  it("goes by the names of the head: what other kernels count is absent", () => {
    const old = parsePerCpuTable(recorded.CONNTRACK_OLD).value!;
    expect(old.has("clashres")).toBe(false);
    expect(old.get("searched")).toBe(0x0760e6ffn + 0x00b57258n);
    expect(old.get("drop")).toBe(0x53cn);
    expect(parsePerCpuTable(recorded.CONNTRACK_SHORT).value!.has("search_restart")).toBe(false);
    expect(parsePerCpuTable(recorded.CONNTRACK_SHORT).value!.get("drop")).toBe(1n);
    expect(parsePerCpuTable(recorded.ARP_CACHE).value!.get("unresolved_discards")).toBe(7832n);
  });

  it("a row without numbers is left out, and counted", () => {
    const { value, reason } = parsePerCpuTable(`${recorded.CONNTRACK_NEW}what\n`);
    expect(value!.get("drop")).toBe(0x55n);
    expect(reason).toContain("1 rows");
  });

  it.each(["", "entries", "00000001 00000002\n00000001 00000002\n"])("%j is no such table", (text) => {
    expect(parsePerCpuTable(text)).toMatchObject({ value: undefined, reason: expect.any(String) });
  });
});

describe("/proc/stat", () => {
  it("has the CPUs that are online; waiting for a disk is idle time", () => {
    expect(parseCpuTimes(recorded.STAT)).toEqual({
      value: [
        { cpu: 0, idleTicks: 963645n, softirqTicks: 26787n, stolenTicks: 505n, totalTicks: 2428457n },
        { cpu: 2, idleTicks: 916114n, softirqTicks: 28440n, stolenTicks: 495n, totalTicks: 2429145n },
      ],
    });
  });

  it("is read with the nine columns of 2.6.32, and not with less than eight", () => {
    expect(parseCpuTimes(recorded.STAT_2_6).value![0]!.stolenTicks).toBe(1368619n);
    expect(parseCpuTimes("cpu0 1 2 3 4 5 6 7\n")).toMatchObject({ value: undefined, reason: expect.any(String) });
    expect(parseCpuTimes("intr 1\n")).toEqual({ value: undefined, reason: "it names no CPU" });
  });
});

describe("/proc/net/dev", () => {
  it("names what is what netlink has, and leaves out what is a sum", () => {
    const [lo, eth0] = parseNetDev(recorded.NET_DEV).value!;
    expect(lo).toMatchObject({ name: "lo", isLoopback: true, index: 0 });
    expect(Object.fromEntries(eth0!.stats)).toEqual({
      rx_bytes: 3200748730n,
      rx_packets: 95420n,
      rx_errors: 1n,
      rx_dropped: 7142467n,
      rx_fifo_errors: 3n,
      rx_compressed: 5n,
      multicast: 6n,
      tx_bytes: 9154936n,
      tx_packets: 68330n,
      tx_errors: 7n,
      tx_dropped: 8n,
      tx_fifo_errors: 9n,
      collisions: 10n,
      tx_compressed: 12n,
    });
  });

  it("a name and a number may touch, as before 2.6.37", () => {
    expect(parseNetDev(recorded.NET_DEV).value![1]!.name).toBe("eth0");
  });

  it("a row that ends early is left out and counted", () => {
    expect(parseNetDev(`${recorded.NET_DEV}  eth1: 1 2 3\n`)).toMatchObject({
      value: [{ name: "lo" }, { name: "eth0" }],
      reason: expect.stringContaining("1 of 3 rows"),
    });
  });
});

describe("small files", () => {
  it("sockstat: pages of UDP, and not of UDP-Lite", () => {
    expect(parseUdpMemoryPages(recorded.SOCKSTAT)).toEqual({ value: 1520 });
    expect(parseUdpMemoryPages("UDPLITE: inuse 0 mem 3\n")).toMatchObject({ value: undefined });
  });

  it("nfnetlink_queue: who reads, what waits, what was dropped; nobody reads in an empty one", () => {
    expect(parseNetfilterQueues(recorded.NFQUEUE)).toEqual({
      value: [
        { queue: 0, portId: 17053, waiting: 4096, queueDropped: 1018019n, userDropped: 5n },
        { queue: 12, portId: 0, waiting: 0, queueDropped: 0n, userDropped: 0n },
      ],
    });
    expect(parseNetfilterQueues("")).toEqual({ value: [] });
    expect(parseNetfilterQueues("0 1 2\n").value).toBeUndefined();
  });

  it("sysctls: one number or several, and names with the dots of interfaces as slashes", () => {
    expect(parseSysctl("212992\n")).toEqual({ value: [212992] });
    expect(parseSysctl("91458\t121946\t182916\n")).toEqual({ value: [91458, 121946, 182916] });
    expect(parseSysctl("on\n")).toEqual({ value: undefined, reason: 'no numbers: "on?"' });
    expect(parseSysctl("").value).toBeUndefined();
    expect(sysctlName("proc/sys/net/ipv4/udp_mem")).toBe("net.ipv4.udp_mem");
    expect(sysctlName("proc/sys/net/ipv4/conf/eth0.100/rp_filter")).toBe("net.ipv4.conf.eth0/100.rp_filter");
    expect(sysctlName("proc/net/snmp")).toBeUndefined();
  });

  it("memory cgroups: events by name; no limit is none, and no reason", () => {
    expect(parseMemoryEvents("low 0\nhigh 3\nmax 17\noom 0\nsock_throttled 2\n")).toEqual({
      value: new Map([
        ["low", 0n],
        ["high", 3n],
        ["max", 17n],
        ["oom", 0n],
        ["sock_throttled", 2n],
      ]),
    });
    expect(parseMemorySize("1048576\n")).toEqual({ value: 1048576 });
    expect(parseMemorySize("max\n")).toEqual({ value: undefined });
    expect(parseMemorySize("much\n")).toMatchObject({ value: undefined, reason: expect.any(String) });
  });
});

describe("owners", () => {
  const owner = { pid: 7, command: "nginx: worker", cgroup: "/kubepods/pod1", openFiles: 12 };

  it("come back as they were written", () => {
    const text = [OWNERS_HEAD, formatOwner(99, owner), formatOwner(100, { pid: 8, command: "x" }), ""].join("\n");
    expect(parseOwners(text)).toEqual({
      value: new Map<number, object>([
        [100, { pid: 8, command: "x" }],
        [99, owner],
      ]),
    });
  });

  it("a command cannot write a line of its own, nor to a terminal", () => {
    const text = formatOwner(99, { pid: 7, command: "a\t1\n5\t6\t\u001b[2J\u202e", cgroup: "/a\nb" });
    expect(text).toBe("99\t7\ta?1?5?6??[2J?\t/a?b\t-");
    expect([...parseOwners(`${text}\n`).value!.keys()]).toEqual([99]);
  });

  it("several have it open: the first counts; what could not be seen is said", () => {
    const lines = [formatOwner(99, owner), formatOwner(99, { pid: 8, command: "x" }), "# 3 processes: needs root", "?"];
    const { value, reason } = parseOwners(lines.join("\n"));
    expect(value!.get(99)!.pid).toBe(7);
    expect(reason).toBe('3 processes: needs root; 1 of 3 rows are not as expected, the first: "?"');
  });
});

it("what is printed has no control characters and does not turn the direction of text", () => {
  expect(printable("a\u0000b\u001bc\u009bd\u2028e\u202ef\u2066g é 漢")).toBe("a?b?c?d?e?f?g é 漢");
  expect(printable("x".repeat(10_000))).toHaveLength(4096);
});
