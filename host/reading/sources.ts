/*
 * What is read of a host, by the names under which a RawReading holds it. Files go by their path without the leading slash.
 */

/** A file of /proc, and what it means where there is none. */
export interface FileSource {
  readonly name: string;
  readonly absent: string;
  /** Tells of the whole machine, and may be hidden in network namespaces other than the first one. */
  readonly isMachineWide?: true;
}

const OLD_KERNEL = "this kernel has none";
const FIRST_NAMESPACE = "only the machine's own network namespace has it, or this kernel has none";
const NO_CONNTRACK = "connection tracking is not loaded, so nothing is lost there";

/** What counters of sockets are compared with comes last, closest to the sockets. */
export const FILES: readonly FileSource[] = [
  { name: "proc/sys/kernel/osrelease", absent: OLD_KERNEL },
  { name: "proc/stat", absent: OLD_KERNEL },
  { name: "proc/net/stat/arp_cache", absent: FIRST_NAMESPACE, isMachineWide: true },
  { name: "proc/net/stat/ndisc_cache", absent: FIRST_NAMESPACE, isMachineWide: true },
  { name: "proc/net/stat/nf_conntrack", absent: NO_CONNTRACK },
  { name: "proc/net/netfilter/nfnetlink_queue", absent: "NFQUEUE is not loaded, so nothing is lost there" },
  { name: "proc/net/sockstat", absent: OLD_KERNEL },
  { name: "proc/net/softnet_stat", absent: OLD_KERNEL },
  { name: "proc/net/netstat", absent: OLD_KERNEL },
  { name: "proc/net/snmp6", absent: "this kernel has no IPv6" },
  { name: "proc/net/snmp", absent: OLD_KERNEL },
];

/** Read only where the netlink request of the same matter brought nothing. */
export const FALLBACKS: Readonly<Record<string, FileSource>> = {
  "inet_diag/udp4": { name: "proc/net/udp", absent: OLD_KERNEL },
  "inet_diag/udp6": { name: "proc/net/udp6", absent: "this kernel has no IPv6" },
  "rtnl/link": { name: "proc/net/dev", absent: OLD_KERNEL },
};

/** Below proc/sys/net. */
export const SYSCTLS: readonly FileSource[] = [
  ...[
    "core/rmem_max",
    "core/rmem_default",
    "core/wmem_max",
    "core/wmem_default",
    "core/netdev_max_backlog",
    "core/netdev_budget",
    "core/netdev_budget_usecs",
    "core/dev_weight",
    "ipv4/udp_mem",
    "ipv4/neigh/default/gc_thresh3",
    "ipv4/neigh/default/unres_qlen_bytes",
    "ipv6/neigh/default/gc_thresh3",
  ].map((path) => ({ name: `proc/sys/net/${path}`, absent: FIRST_NAMESPACE, isMachineWide: true }) as const),
  ...[
    "ipv4/udp_rmem_min",
    "ipv4/ip_forward",
    "ipv4/ipfrag_high_thresh",
    "ipv4/ipfrag_time",
    "ipv4/conf/all/rp_filter",
    "ipv6/ip6frag_high_thresh",
  ].map((path) => ({ name: `proc/sys/net/${path}`, absent: OLD_KERNEL })),
  ...["count", "max", "buckets", "udp_timeout", "udp_timeout_stream"].map((what) => {
    return { name: `proc/sys/net/netfilter/nf_conntrack_${what}`, absent: NO_CONNTRACK };
  }),
];

export const reversePathSource = (interfaceName: string): string => `proc/sys/net/ipv4/conf/${interfaceName}/rp_filter`;

/** Sockets first, right after the counters of UDP. */
export const NETLINK = [
  "inet_diag/udp4",
  "inet_diag/udp6",
  "rtnl/link",
  "netdev/queue-stats",
  "rtnl/qdisc",
  "rtnl/neighbour",
] as const;
export type NetlinkSource = (typeof NETLINK)[number];

export const ETHTOOL = ["driver", "rings", "channels", "stats"] as const;
export type EthtoolWhat = (typeof ETHTOOL)[number];
export const ethtoolSource = (interfaceName: string, what: EthtoolWhat): string => `ethtool/${interfaceName}/${what}`;

/** Who has the sockets of the subject open, and those that lost or hold datagrams. */
export const OWNERS = "sockets/owners";

export const MEMORY_CGROUP = ["memory.events", "memory.current", "memory.max"] as const;
export type MemoryCgroupFile = (typeof MEMORY_CGROUP)[number];
/** `path`: as in /proc/PID/cgroup, with a leading slash. */
export const cgroupSource = (path: string, file: MemoryCgroupFile): string => `cgroup${path}/${file}`;

/** Stand for all of their kind in a set of sources: which there are, only the reading itself tells. */
export const ALL_ETHTOOL = "ethtool";
export const ALL_CGROUPS = "cgroup";

const names = (sources: readonly FileSource[]): string[] => sources.map(({ name }) => name);

/** Everything: what a judgement is made of. */
export const FULL: ReadonlySet<string> = new Set([
  ...names(FILES),
  ...names(SYSCTLS),
  ...NETLINK,
  OWNERS,
  ALL_ETHTOOL,
  ALL_CGROUPS,
]);

/** What is cheap enough for once a second: counters, and of the sockets those of given ports. */
export const LIGHT: ReadonlySet<string> = new Set([
  ...names(FILES),
  "proc/sys/net/netfilter/nf_conntrack_count",
  "proc/sys/net/netfilter/nf_conntrack_max",
  "rtnl/link",
  "inet_diag/udp4",
  "inet_diag/udp6",
]);

/** The sockets alone; with a port, only those of that port are asked for. */
export const SOCKETS: ReadonlySet<string> = new Set(["inet_diag/udp4", "inet_diag/udp6"]);
