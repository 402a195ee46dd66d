/*
 * One reading, parsed. Whatever could not be read is undefined, and `missing` says why; a column that this kernel does
 * not have is absent from its counters: nobody may take either for 0. No text holds control characters.
 */

/** Counters by the kernel's own names. Values are not negative; how wide each is, path/ knows. */
export type Counters = ReadonlyMap<string, bigint>;

/** Times of one CPU in ticks (/proc/stat), since boot. */
export interface CpuTimes {
  readonly cpu: number;
  readonly idleTicks: bigint;
  readonly softirqTicks: bigint;
  readonly stolenTicks: bigint;
  readonly totalTicks: bigint;
}

/** A row of /proc/net/softnet_stat, 32 bit each, machine-wide. Columns that an old kernel does not print are absent. */
export interface SoftnetRow {
  readonly cpu: number;
  readonly processed: number;
  readonly dropped: number;
  readonly timeSqueeze: number;
  readonly receivedRps?: number;
  readonly flowLimit?: number;
  readonly backlogLength?: number;
}

/** A network interface of the namespace (RTM_GETLINK, or /proc/net/dev where netlink is refused). */
export interface Link {
  /** 0: not told, as in /proc/net/dev. */
  readonly index: number;
  readonly name: string;
  /** IFLA_INFO_KIND: veth, bond, vlan, ...; undefined: hardware, or not told. */
  readonly kind?: string;
  /** Wanted up, and with a carrier; of /proc/net/dev: true. */
  readonly isUp: boolean;
  readonly isLoopback: boolean;
  /** Index of the interface that it is a part of (bond, bridge). */
  readonly master?: number;
  /** How an XDP program is attached: IFLA_XDP_ATTACHED. */
  readonly xdp?: "native" | "generic" | "offloaded" | "multiple";
  readonly txQueueLength?: number;
  readonly mtu?: number;
  /**
   * rtnl_link_stats64 by its own names: rx_packets, rx_dropped, rx_missed_errors, rx_over_errors, rx_nohandler, ...
   * Of /proc/net/dev: rx_dropped contains rx_missed_errors, which is absent.
   */
  readonly stats: Counters;
  /** Netdev-genl queue statistics, summed over queues (kernel 6.9 and newer): rx-alloc-fail, rx-hw-drops, ... */
  readonly queueStats?: Counters;
  readonly driver?: { readonly name: string; readonly version?: string; readonly bus?: string };
  /** `ethtool -S`, in the driver's order; names may repeat, once for each queue. */
  readonly driverStats?: readonly DriverStat[];
  readonly rings?: { readonly rx: number; readonly rxMax: number; readonly tx: number; readonly txMax: number };
  /** Receive queues in use, and how many the device can have. */
  readonly channels?: { readonly rx: number; readonly rxMax: number };
}

export interface DriverStat {
  readonly name: string;
  readonly value: bigint;
}

/** A UDP socket of the namespace. */
export interface UdpSocket {
  readonly family: 4 | 6;
  readonly localAddress: string;
  readonly localPort: number;
  /** Absent: not connected. */
  readonly remote?: { readonly address: string; readonly port: number };
  /** 0: the socket has no file any more. */
  readonly inode: number;
  /** SO_COOKIE; tells sockets apart that had the same inode one after the other. Absent without inet_diag. */
  readonly cookie?: bigint;
  readonly uid: number;
  /** Truesize of what waits, as /proc/net/udp prints it. */
  readonly receiveQueueBytes: number;
  readonly sendQueueBytes: number;
  readonly drops: number;
  /** Absent without inet_diag. */
  readonly receiveBufferBytes?: number;
  readonly sendBufferBytes?: number;
  /** Who has it open. Several processes: the first. Absent where /proc/PID/fd may not be read. */
  readonly owner?: SocketOwner;
}

export interface SocketOwner {
  readonly pid: number;
  readonly command: string;
  /** Path of its cgroup (v2), without the mount: tells container and pod. */
  readonly cgroup?: string;
  readonly openFiles?: number;
}

/** A row of /proc/net/stat/nf_conntrack summed over CPUs; names from its header. */
export interface Conntrack {
  readonly stats: Counters | undefined;
  readonly count: number | undefined;
  readonly max: number | undefined;
}

/** A row of /proc/net/netfilter/nfnetlink_queue. */
export interface NetfilterQueue {
  readonly queue: number;
  readonly portId: number;
  readonly waiting: number;
  /** Dropped because the queue was full. */
  readonly queueDropped: bigint;
  /** Dropped because the reader's socket was full. */
  readonly userDropped: bigint;
}

export interface Qdisc {
  readonly interfaceIndex: number;
  readonly kind: string;
  readonly handle: string;
  /** `root`, `ingress` (clsact, too), or the handle of a class. A root contains what those below it dropped. */
  readonly parent: string;
  /** 32 bit, and overlimits, too. */
  readonly drops: bigint;
  readonly overlimits: bigint;
  readonly backlogPackets: number;
}

export interface Neighbour {
  readonly interfaceIndex: number;
  readonly address: string;
  /** NUD_*: REACHABLE, STALE, INCOMPLETE, FAILED, ... */
  readonly state: string;
}

/** memory.events of a cgroup that owns one of the sockets, or is above it: a limit may lie there. */
export interface MemoryCgroup {
  readonly cgroup: string;
  readonly events: Counters;
  readonly currentBytes?: number;
  /** Absent: max, that is none. */
  readonly maxBytes?: number;
}

export interface Reading {
  readonly steadyMs: number;
  readonly time: string;
  readonly kernelRelease: string | undefined;
  /** Why a source is not there, or not whole, by its name. */
  readonly missing: ReadonlyMap<string, string>;
  readonly cpus: readonly CpuTimes[] | undefined;
  readonly softnet: readonly SoftnetRow[] | undefined;
  /** Ip of /proc/net/snmp, by its columns. */
  readonly ip4: Counters | undefined;
  /** IpExt of /proc/net/netstat. */
  readonly ip4Ext: Counters | undefined;
  /** TcpExt of /proc/net/netstat: IPReversePathFilter, ... */
  readonly tcpExt: Counters | undefined;
  /** Ip6 of /proc/net/snmp6, without the prefix "Ip6". */
  readonly ip6: Counters | undefined;
  readonly icmp4: Counters | undefined;
  readonly icmp6: Counters | undefined;
  /** Udp of /proc/net/snmp. */
  readonly udp4: Counters | undefined;
  /** Udp6 of /proc/net/snmp6, without the prefix "Udp6". */
  readonly udp6: Counters | undefined;
  readonly links: readonly Link[] | undefined;
  readonly sockets: readonly UdpSocket[] | undefined;
  /** Pages of memory that UDP sockets hold (/proc/net/sockstat), machine-wide. */
  readonly udpMemoryPages: number | undefined;
  readonly conntrack: Conntrack;
  readonly netfilterQueues: readonly NetfilterQueue[] | undefined;
  /** /proc/net/stat/{arp,ndisc}_cache summed over CPUs, machine-wide. */
  readonly arpCache: Counters | undefined;
  readonly ndiscCache: Counters | undefined;
  readonly qdiscs: readonly Qdisc[] | undefined;
  readonly neighbours: readonly Neighbour[] | undefined;
  readonly memoryCgroups: readonly MemoryCgroup[];
  /** Numbers of /proc/sys by their dotted name: net.core.rmem_max, net.ipv4.udp_mem (three numbers), ... */
  readonly sysctls: ReadonlyMap<string, readonly number[]>;
}
