import { decodeNeighbours } from "./netlink/neighbour.ts";
import { decodeQdiscs } from "./netlink/qdisc.ts";
import { parseLinks } from "./parse_links.ts";
import { parseSockets } from "./parse_sockets.ts";
import type { RawReading } from "./raw.ts";
import type { Counters, MemoryCgroup, Reading } from "./reading.ts";
import { Sections } from "./sections.ts";
import { cgroupSource } from "./sources.ts";
import { printable } from "./text/columns.ts";
import { parseCpuTimes } from "./text/cpu_times.ts";
import { parseMemoryEvents, parseMemorySize } from "./text/memory_cgroup.ts";
import { parseNetfilterQueues } from "./text/netfilter_queue.ts";
import { parsePaired } from "./text/paired.ts";
import { parsePerCpuTable } from "./text/per_cpu_table.ts";
import { parseSnmp6 } from "./text/snmp6.ts";
import { parseUdpMemoryPages } from "./text/sockstat.ts";
import { parseSoftnet } from "./text/softnet.ts";
import { parseSysctl, sysctlName } from "./text/sysctl.ts";

function parseMemoryCgroups(sections: Sections): MemoryCgroup[] {
  const paths = sections.names().flatMap((name) => /^cgroup(\/.+)\/memory\.events$/.exec(name)?.[1] ?? []);
  return paths.flatMap((path) => {
    const events = sections.text(cgroupSource(path, "memory.events"), parseMemoryEvents);
    if (events === undefined) return [];
    const currentBytes = sections.text(cgroupSource(path, "memory.current"), parseMemorySize);
    const maxBytes = sections.text(cgroupSource(path, "memory.max"), parseMemorySize);
    return {
      cgroup: printable(path),
      events,
      ...(currentBytes !== undefined && { currentBytes }),
      ...(maxBytes !== undefined && { maxBytes }),
    };
  });
}

function parseSysctls(sections: Sections): Map<string, readonly number[]> {
  const sysctls = new Map<string, readonly number[]>();
  for (const source of sections.names().filter((name) => name.startsWith("proc/sys/net/"))) {
    const values = sections.text(source, parseSysctl);
    if (values !== undefined) sysctls.set(printable(sysctlName(source)!), values);
  }
  return sysctls;
}

/** Other sysctls may be negative, or too large to be counted exactly: these say how many. */
function amountOf(sysctls: ReadonlyMap<string, readonly number[]>, name: string): number | undefined {
  const value = sysctls.get(name)?.[0];
  return value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

type NetworkCounters = Pick<
  Reading,
  "ip4" | "ip4Ext" | "tcpExt" | "ip6" | "icmp4" | "icmp6" | "udp4" | "udp6" | "arpCache" | "ndiscCache"
>;

function parseCounters(sections: Sections): NetworkCounters {
  const snmp = sections.text("proc/net/snmp", parsePaired);
  const snmp6 = sections.text("proc/net/snmp6", parseSnmp6);
  const netstat = sections.text("proc/net/netstat", parsePaired);
  const perCpu = (name: string): Counters | undefined => sections.text(name, parsePerCpuTable);
  return {
    ip4: snmp?.get("Ip"),
    icmp4: snmp?.get("Icmp"),
    udp4: snmp?.get("Udp"),
    ip4Ext: netstat?.get("IpExt"),
    tcpExt: netstat?.get("TcpExt"),
    ip6: snmp6?.get("Ip6"),
    icmp6: snmp6?.get("Icmp6"),
    udp6: snmp6?.get("Udp6"),
    arpCache: perCpu("proc/net/stat/arp_cache"),
    ndiscCache: perCpu("proc/net/stat/ndisc_cache"),
  };
}

/**
 * A RawReading, wherever it comes from, as numbers. Pure, and throws nothing whatever the sources hold: what is not there or
 * not understood is undefined, and `missing` says why.
 */
export function parseReading(raw: RawReading): Reading {
  const sections = new Sections(raw);
  const cpus = sections.text("proc/stat", parseCpuTimes);
  const onlineCpus = cpus?.map(({ cpu }) => cpu);
  const release = sections.text("proc/sys/kernel/osrelease", (text) => ({ value: printable(text.trim()) }));
  const sysctls = parseSysctls(sections);
  return {
    steadyMs: typeof raw.steadyMs === "number" ? raw.steadyMs : 0,
    time: typeof raw.time === "string" ? printable(raw.time) : "",
    kernelRelease: release,
    missing: sections.missing,
    cpus,
    softnet: sections.text("proc/net/softnet_stat", (text) => parseSoftnet(text, onlineCpus)),
    ...parseCounters(sections),
    links: parseLinks(sections),
    sockets: parseSockets(sections),
    udpMemoryPages: sections.text("proc/net/sockstat", parseUdpMemoryPages),
    conntrack: {
      stats: sections.text("proc/net/stat/nf_conntrack", parsePerCpuTable),
      count: amountOf(sysctls, "net.netfilter.nf_conntrack_count"),
      max: amountOf(sysctls, "net.netfilter.nf_conntrack_max"),
    },
    netfilterQueues: sections.text("proc/net/netfilter/nfnetlink_queue", parseNetfilterQueues),
    qdiscs: sections.octets("rtnl/qdisc", decodeQdiscs),
    neighbours: sections.octets("rtnl/neighbour", decodeNeighbours),
    memoryCgroups: parseMemoryCgroups(sections),
    sysctls,
  };
}
