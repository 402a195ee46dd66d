import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HAND_OFFS } from "../../../../host/path/hand_offs.ts";
import type { Measures } from "../../../../host/path/measures.ts";
import { judgeMeasures, VERDICTS } from "../../../../host/verdict/all.ts";
import type { Severity } from "../../../../host/verdict/finding.ts";
import { cpu, FULL_BYTES, ip4, link, measures, moved, proxy, reading, socket, udp4 } from "./measures.ts";

/*
 * Every verdict, reached by the first measures and not by the second, which are just below the gate (10 datagrams of 100,000)
 * or lack the sign that tells it from its neighbours.
 */

interface Row {
  readonly verdict: string;
  readonly severity: Severity;
  readonly datagrams?: number;
  readonly reached: Partial<Measures>;
  readonly not: Partial<Measures>;
}

const netfilter = (own: Partial<Measures["netfilter"]>): Partial<Measures> => ({
  netfilter: { ...measures().netfilter, ...own },
});
const send = (own: Partial<Measures["send"]>): Partial<Measures> => ({ send: { ...measures().send, ...own } });
const refused = (own: object): Partial<Measures> => ({ proxy: proxy({ refused: { ...proxy().refused, ...own } }) });
const device = (driver: string, name: string, severity: Severity, verdict: string): Row => ({
  verdict,
  severity,
  ...(severity === "loss" && { datagrams: 11 }),
  reached: { links: [moved(driver, name, 11)] },
  not: { links: [moved(driver, name, 9)] },
});
/** Sockets whose drops RcvbufErrors counts as well. */
function dropping(...sockets: ReturnType<typeof socket>[]): Partial<Measures> {
  const drops = sockets.reduce((sum, each) => sum + (each.drops ?? 0), 0);
  return { sockets, udp: udp4({ inErrors: drops, receiveBufferErrors: drops }) };
}
const full = { queueBytes: [FULL_BYTES, FULL_BYTES + 900] };
const still = { queueBytes: [FULL_BYTES, FULL_BYTES, FULL_BYTES, FULL_BYTES] };
const owner = (pid: number, inode: number) => ({ of: { inode, owner: { pid, command: `program-${pid}` } } });

const ROWS: readonly Row[] = [
  device("ena", "pps_allowance_exceeded", "loss", "cloud-allowance"),
  device("mlx5_core", "rx_out_of_buffer", "loss", "ring-overrun"),
  {
    verdict: "ring-not-emptied",
    severity: "loss",
    datagrams: 500,
    reached: { links: [{ ...moved("ixgbe", "rx_no_dma_resources", 500), received: 499 }] },
    not: { links: [{ ...moved("ixgbe", "rx_no_dma_resources", 500), received: 500 }] },
  },
  device("mlx5_core", "rx_discards_phy", "loss", "device-port-full"),
  device("ice", "rx_pg_alloc_fail", "loss", "driver-memory"),
  device("mlx5_core", "rx_crc_errors_phy", "loss", "damaged-frames"),
  {
    verdict: "dropped-by-device",
    severity: "loss",
    datagrams: 11,
    reached: { links: [link({ of: { driver: { name: "ena" } }, stats: new Map([["rx_dropped", 11]]) })] },
    not: { links: [link({ of: { driver: { name: "ena" } }, stats: new Map([["rx_dropped", 9]]) })] },
  },
  device("nobody_knows", "rx_fifo_overrun", "possible", "unknown-device-counter"),
  {
    verdict: "dropped-by-device-or-stack",
    severity: "possible",
    reached: { links: [link({ of: { driver: { name: "nobody_knows" } }, stats: new Map([["rx_dropped", 11]]) })] },
    not: { links: [link({ stats: new Map([["rx_dropped", 11]]) })] },
  },
  device("ixgbe", "tx_flow_control_xoff", "warning", "back-pressure"),
  {
    verdict: "trivial-device-loss",
    severity: "other",
    datagrams: 9,
    reached: { links: [moved("ixgbe", "rx_missed_errors", 9)] },
    not: { links: [moved("ixgbe", "rx_missed_errors", 11)] },
  },
  {
    verdict: "not-ours",
    severity: "other",
    datagrams: 11,
    reached: { links: [link({ stats: new Map([["rx_dropped", 11]]) })] },
    not: { links: [link({ stats: new Map([["rx_dropped", 11]]) })], cpus: [cpu({ dropped: 11 })] },
  },
  device("veth", "rx_queue_0_xdp_drops", "loss", "native-xdp"),
  {
    verdict: "backlog-overflow",
    severity: "loss",
    datagrams: 12,
    reached: { cpus: [cpu({ dropped: 6 }), cpu({ cpu: 1, dropped: 6 })] },
    not: { cpus: [cpu({ dropped: 9, timeSqueeze: 3 })] },
  },
  {
    verdict: "one-softirq-cpu",
    severity: "warning",
    reached: { cpus: [cpu({ softirqShare: 0.86, idleShare: 0 }), cpu({ cpu: 1, idleShare: 0.6 })] },
    not: { cpus: [cpu({ softirqShare: 0.86, idleShare: 0 }), cpu({ cpu: 1, idleShare: 0.4 })] },
  },
  {
    verdict: "time-squeeze",
    severity: "warning",
    reached: { cpus: [cpu({ timeSqueeze: 11 })] },
    not: { cpus: [cpu({ timeSqueeze: 9 })] },
  },
  {
    verdict: "tc-rule",
    severity: "loss",
    datagrams: 11,
    reached: send({ ingressDrops: [{ interfaceIndex: 2, kind: "clsact", drops: 11 }] }),
    not: send({ ingressDrops: [{ interfaceIndex: 2, kind: "clsact", drops: 9 }] }),
  },
  {
    verdict: "generic-xdp",
    severity: "possible",
    reached: { links: [link({ of: { xdp: "generic" }, received: 110_000 })] },
    not: { links: [link({ of: { xdp: "generic" }, received: 105_000 })] },
  },
  {
    verdict: "reverse-path-filter",
    severity: "loss",
    datagrams: 11,
    reached: { ip: ip4({ eaten: 11, reversePathFiltered: 11 }) },
    not: { ip: ip4({ eaten: 9, reversePathFiltered: 9 }) },
  },
  {
    verdict: "fragments-lost",
    severity: "loss",
    datagrams: 11,
    reached: { ip: ip4({ reassembly: { requested: 100, done: 40, failed: 11 } }) },
    not: { ip: ip4({ reassembly: { requested: 100, done: 40, failed: 9 } }) },
  },
  {
    verdict: "ip-input-errors",
    severity: "loss",
    datagrams: 12,
    reached: { ip: ip4({ eaten: 12, addressErrors: 6, headerErrors: 6 }) },
    not: { ip: ip4({ eaten: 9, addressErrors: 9 }) },
  },
  {
    verdict: "filter-rule",
    severity: "loss",
    datagrams: 1011,
    reached: { ip: ip4({ eaten: 1031, reversePathFiltered: 10, unknownProtocols: 10 }) },
    not: { ip: ip4({ eaten: 29, reversePathFiltered: 10, unknownProtocols: 10 }) },
  },
  {
    verdict: "conntrack-full",
    severity: "loss",
    datagrams: 11,
    reached: netfilter({ dropped: 11 }),
    // A lost race counts as a drop, too.
    not: netfilter({ dropped: 11, insertFailed: 5 }),
  },
  {
    verdict: "conntrack-race",
    severity: "loss",
    datagrams: 11,
    reached: netfilter({ dropped: 11, insertFailed: 11 }),
    not: netfilter({ dropped: 9, insertFailed: 9 }),
  },
  {
    verdict: "netfilter-queue",
    severity: "loss",
    datagrams: 11,
    reached: netfilter({ queues: [{ queue: 3, portId: 9, waiting: 0, queueDropped: 6, userDropped: 5 }] }),
    not: netfilter({ queues: [{ queue: 3, portId: 9, waiting: 0, queueDropped: 4, userDropped: 5 }] }),
  },
  {
    verdict: "conntrack-nearly-full",
    severity: "warning",
    reached: netfilter({ conntrackCount: 900 }),
    not: netfilter({ conntrackCount: 899, earlyDropped: 9 }),
  },
  {
    verdict: "conntrack-invalid",
    severity: "warning",
    reached: netfilter({ invalid: 11 }),
    not: netfilter({ invalid: 9 }),
  },
  {
    verdict: "checksum-behind-tunnel",
    severity: "loss",
    datagrams: 11,
    reached: {
      udp: udp4({ inErrors: 11, checksumErrors: 11 }),
      after: reading({ links: [{ ...link().link, name: "vxlan0", kind: "vxlan" }] }),
    },
    not: { udp: udp4({ inErrors: 11, checksumErrors: 11 }) },
  },
  {
    verdict: "checksum-errors",
    severity: "loss",
    datagrams: 11,
    reached: { udp: udp4({ inErrors: 11, checksumErrors: 11 }) },
    not: { udp: udp4({ inErrors: 9, checksumErrors: 9 }) },
  },
  {
    verdict: "no-listener",
    severity: "loss",
    datagrams: 1100,
    reached: { udp: udp4({ noPorts: 1100 }) },
    not: { udp: udp4({ noPorts: 9 }) },
  },
  {
    verdict: "socket-filter",
    severity: "loss",
    datagrams: 11,
    reached: { udp: udp4({ inErrors: 11, otherErrors: 11 }) },
    not: { udp: udp4({ inErrors: 9, otherErrors: 9 }) },
  },
  {
    verdict: "udp-memory",
    severity: "loss",
    datagrams: 11,
    reached: {
      udp: udp4({ inErrors: 11, memoryErrors: 11 }),
      after: reading({ udpMemoryPages: 99_000 }),
    },
    not: { udp: udp4({ inErrors: 9, memoryErrors: 9 }), after: reading({ udpMemoryPages: 99_000 }) },
  },
  {
    verdict: "memory-cgroup",
    severity: "loss",
    datagrams: 11,
    reached: {
      udp: udp4({ inErrors: 11, memoryErrors: 11 }),
      before: reading({ memoryCgroups: [{ cgroup: "/pod", events: new Map([["max", 4n]]) }] }),
      after: reading({ memoryCgroups: [{ cgroup: "/pod", events: new Map([["max", 9n]]), maxBytes: 1e8 }] }),
    },
    not: {
      udp: udp4({ inErrors: 11, memoryErrors: 11 }),
      before: reading({ memoryCgroups: [{ cgroup: "/pod", events: new Map([["max", 4n]]) }] }),
      after: reading({ memoryCgroups: [{ cgroup: "/pod", events: new Map([["max", 4n]]) }] }),
    },
  },
  {
    verdict: "foreign-socket",
    severity: "loss",
    datagrams: 500,
    reached: dropping(
      socket({ ...still, ...owner(666, 1), drops: 500, groupSize: 2 }),
      socket({ ...owner(17, 2), groupSize: 2 }),
    ),
    not: dropping(
      socket({ ...still, ...owner(17, 1), drops: 500, groupSize: 2 }),
      socket({ ...owner(17, 2), groupSize: 2 }),
    ),
  },
  {
    verdict: "unread-socket",
    severity: "loss",
    datagrams: 500,
    reached: dropping(socket({ ...still, drops: 500 })),
    not: dropping(socket({ ...full, drops: 500 })),
  },
  {
    verdict: "hot-socket",
    severity: "loss",
    datagrams: 500,
    reached: dropping(socket({ ...full, drops: 500, groupSize: 2 }), socket({ of: { inode: 8 }, groupSize: 2 })),
    not: dropping(
      socket({ ...full, drops: 500, groupSize: 2 }),
      socket({ ...full, of: { inode: 8 }, drops: 400, groupSize: 2 }),
    ),
  },
  {
    verdict: "consumption-mismatch",
    severity: "loss",
    datagrams: 500,
    reached: dropping(socket({ ...full, drops: 500 })),
    not: dropping(socket({ ...full, drops: 9 })),
  },
  {
    verdict: "burst",
    severity: "loss",
    datagrams: 500,
    reached: dropping(socket({ queueBytes: [FULL_BYTES, 0], drops: 500 })),
    not: dropping(socket({ queueBytes: [0, FULL_BYTES], drops: 500 })),
  },
  {
    verdict: "receive-buffer-clamped",
    severity: "warning",
    reached: dropping(socket({ of: { receiveBufferBytes: 2 * 4_194_304 }, drops: 500 })),
    not: dropping(socket({ of: { receiveBufferBytes: 2 * 4_194_304 - 1 }, drops: 500 })),
  },
  {
    verdict: "full-receive-buffer",
    severity: "loss",
    datagrams: 11,
    reached: { sockets: undefined, udp: udp4({ inErrors: 11, receiveBufferErrors: 11 }) },
    not: { sockets: undefined, udp: udp4({ inErrors: 9, receiveBufferErrors: 9 }) },
  },
  {
    verdict: "full-queue",
    severity: "warning",
    reached: { sockets: [socket(still)] },
    not: { sockets: [socket(full)] },
  },
  {
    verdict: "other-port-loses",
    severity: "other",
    datagrams: 500,
    reached: { subject: { port: 53 }, ...dropping(socket({ ...full, drops: 500, isSubject: false })) },
    not: { subject: { port: 443 }, ...dropping(socket({ ...full, drops: 500 })) },
  },
  {
    verdict: "proxy-ring-full",
    severity: "loss",
    datagrams: 11,
    reached: { proxy: proxy({ ringFull: 11 }) },
    not: { proxy: proxy({ ringFull: 9 }) },
  },
  ...(
    [
      ["new-flow-budget", "budget"],
      ["flow-table-full", "tableFull"],
      ["upstream-ports-exhausted", "noPort"],
      ["no-backend", "noBackend"],
    ] as const
  ).map(([verdict, cause]) => ({
    verdict,
    severity: "loss" as const,
    datagrams: 11,
    reached: refused({ [cause]: 11 }),
    not: refused({ [cause]: 9 }),
  })),
  {
    verdict: "no-route",
    severity: "loss",
    datagrams: 11,
    reached: { ip: ip4({ outNoRoutes: 11 }) },
    not: { ip: ip4({ outNoRoutes: 9 }) },
  },
  {
    verdict: "qdisc-drops",
    severity: "loss",
    datagrams: 11,
    reached: send({ qdiscDrops: [{ interfaceIndex: 2, kind: "tbf", drops: 11 }] }),
    not: send({ qdiscDrops: [{ interfaceIndex: 2, kind: "tbf", drops: 9 }] }),
  },
  {
    verdict: "send-buffer-full",
    severity: "loss",
    datagrams: 11,
    reached: {
      udp: udp4({ sendBufferErrors: 31 }),
      ...send({ qdiscDrops: [{ interfaceIndex: 2, kind: "tbf", drops: 20 }] }),
    },
    not: {
      udp: udp4({ sendBufferErrors: 31 }),
      ...send({ qdiscDrops: [{ interfaceIndex: 2, kind: "tbf", drops: 31 }] }),
    },
  },
  {
    verdict: "neighbour-missing",
    severity: "loss",
    datagrams: 12,
    reached: {
      ...send({ neighbourDiscards: { arp: 6, ndisc: 6 } }),
      after: reading({ neighbours: [{ interfaceIndex: 2, address: "10.0.0.9", state: "FAILED" }] }),
    },
    not: {
      ...send({ neighbourDiscards: { arp: 5, ndisc: 4 } }),
      after: reading({ neighbours: [{ interfaceIndex: 2, address: "10.0.0.9", state: "FAILED" }] }),
    },
  },
  device("mlx5_core", "tx_discards_phy", "loss", "device-send-loss"),
  {
    verdict: "backend-refuses",
    severity: "loss",
    datagrams: 11,
    reached: { proxy: proxy({ backends: [{ name: "10.0.0.7:1", sent: 100, answered: 0, refused: 11 }] }) },
    not: { proxy: proxy({ backends: [{ name: "10.0.0.7:1", sent: 100, answered: 0, refused: 9 }] }) },
  },
  {
    verdict: "backend-silent",
    severity: "loss",
    datagrams: 10,
    reached: { proxy: proxy({ backends: [{ name: "10.0.0.7:1", sent: 10, answered: 0, refused: 0 }] }) },
    not: { proxy: proxy({ backends: [{ name: "10.0.0.7:1", sent: 10, answered: 1, refused: 0 }] }) },
  },
  {
    verdict: "unreachable-answers",
    severity: "warning",
    reached: send({ destinationUnreachable: { icmp4: 11, icmp6: 0 } }),
    not: send({ destinationUnreachable: { icmp4: 9, icmp6: 0 } }),
  },
];

describe.each(ROWS.map((row) => [row.verdict, row] as const))("%s", (verdict, row) => {
  it("is reached", () => {
    const found = judgeMeasures(measures(row.reached)).filter((each) => each.verdict === verdict);
    expect(found).toMatchObject([{ verdict, severity: row.severity, datagrams: row.datagrams }]);
    expect(found[0]!.proof).not.toEqual([]);
    expect(found[0]!.remedy).not.toEqual([]);
  });

  it("is not reached by less", () => {
    expect(judgeMeasures(measures(row.not)).filter((each) => each.verdict === verdict)).toEqual([]);
  });
});

it("each verdict has its row, and each row its verdict", () => {
  expect(ROWS.map(({ verdict }) => verdict)).toEqual(VERDICTS.map(({ name }) => name));
});

it("a host on which nothing is lost has no findings", () => {
  expect(judgeMeasures(measures())).toEqual([]);
});

describe("what tells neighbours apart", () => {
  const verdictsOf = (own: Partial<Measures>): string[] =>
    judgeMeasures(measures(own)).map(({ verdict, severity }) => `${verdict} ${severity}`);

  it("discards of neighbours are machine-wide: without a silent one here they are another namespace's", () => {
    const discards = send({ neighbourDiscards: { arp: 500, ndisc: 0 } });
    expect(verdictsOf(discards)).toEqual(["neighbour-missing other"]);
    expect(verdictsOf({ ...discards, after: reading({ neighbours: undefined }) })).toEqual([
      "neighbour-missing possible",
    ]);
  });

  it("NoPorts is of others where the port that was asked about has a socket, and a scan where it is little", () => {
    expect(verdictsOf({ udp: udp4({ noPorts: 5000 }), subject: { port: 443 } })).toEqual(["no-listener other"]);
    expect(verdictsOf({ udp: udp4({ noPorts: 5000 }), subject: { port: 9 }, sockets: [] })).toEqual([
      "no-listener loss",
    ]);
    expect(verdictsOf({ udp: udp4({ noPorts: 11 }) })).toEqual(["no-listener warning"]);
  });

  it("short bursts at more than the reader can do are a mismatch, though its buffer is never seen full", () => {
    const busy = socket({ queueBytes: Array(11).fill(9000), drops: 500_000 });
    expect(verdictsOf(dropping(busy))).toEqual(["consumption-mismatch loss"]);
    const idle = socket({ queueBytes: [9000, ...Array(10).fill(0)], drops: 200_000 });
    expect(verdictsOf(dropping(idle))[0]).toBe("burst loss");
  });

  it("a firewall that refuses a few is a warning: the world scans", () => {
    expect(verdictsOf({ ip: ip4({ eaten: 500 }) })).toEqual(["filter-rule warning"]);
  });

  it("what a container's interface does not take is not this host's loss, unless it was asked about", () => {
    const veth = moved("veth", "nothing", 0, { name: "veth9", kind: "veth" });
    const own = { links: [{ ...veth, stats: new Map([["tx_dropped", 500]]) }] };
    expect(verdictsOf(own)).toEqual(["device-send-loss warning"]);
    expect(verdictsOf({ ...own, subject: { interface: "veth9" } })).toEqual(["device-send-loss loss"]);
  });

  it("udp_mem: an earlier larger buffer is named as the cause", () => {
    const [finding] = judgeMeasures(
      measures({
        udp: udp4({ inErrors: 500, memoryErrors: 500 }),
        sockets: [socket({ of: { receiveBufferBytes: 1e9, receiveQueueBytes: 4e8 } })],
        after: reading({ udpMemoryPages: 99_999 }),
      }),
    );
    expect(finding!.verdict).toBe("udp-memory");
    expect(finding!.proof.join("\n")).toContain("bigger buffers are the cause");
  });

  it("kernels before 5.11 have no column for memory: the rest of InErrors is memory where that is short", () => {
    const own = { udp: udp4({ inErrors: 500, memoryErrors: undefined, otherErrors: 500 }) };
    expect(verdictsOf({ ...own, after: reading({ udpMemoryPages: 99_999 }) })).toEqual(["udp-memory loss"]);
    expect(verdictsOf(own)).toEqual(["socket-filter loss"]);
  });

  it("kernels that count a loss of memory with the socket alone: 6.18 before its repair", () => {
    const own = { sockets: [socket({ drops: 500 })], after: reading({ udpMemoryPages: 99_999 }) };
    expect(verdictsOf(own)).toEqual(["udp-memory loss"]);
  });

  it("one event under three names counts once (mlx4), and queues of one name count together (vmxnet3)", () => {
    const mlx4 = link({
      of: { driver: { name: "mlx4_en" } },
      driverStats: ["rx_over_errors", "rx_fifo_errors", "rx_missed_errors"].map((name) => ({ name, moved: 40 })),
    });
    const vmxnet3 = link({
      of: { driver: { name: "vmxnet3" } },
      driverStats: [30, 50].map((by) => ({ name: "pkts rx OOB", moved: by })),
    });
    expect(judgeMeasures(measures({ links: [mlx4] }))[0]!.datagrams).toBe(40);
    expect(judgeMeasures(measures({ links: [vmxnet3] }))[0]!.datagrams).toBe(80);
  });

  it("an overflow of a backlog stands in rx_dropped, too, and is no loss of the device", () => {
    const own = {
      links: [link({ of: { driver: { name: "ena" } }, stats: new Map([["rx_dropped", 500]]) })],
      cpus: [cpu({ dropped: 500 })],
    };
    expect(verdictsOf(own)).toEqual(["backlog-overflow loss"]);
  });
});

describe("two faults at once", () => {
  const losing = ROWS.filter(({ severity }) => severity === "loss");
  const places = HAND_OFFS.map(({ id }) => id);
  /** Whoever moves the same part is one fault; what netfilter drops, IP misses, and a device counts what backlogs drop. */
  const sameAs: Record<string, string> = { netfilter: "ip", cpus: "links" };
  const partsOf = ({ reached }: Row): string[] => Object.keys(reached).map((part) => sameAs[part] ?? part);

  it("both are found where their signs do not meet, in path order", () => {
    fc.assert(
      fc.property(fc.constantFrom(...losing), fc.constantFrom(...losing), (one, other) => {
        fc.pre(!partsOf(one).some((part) => partsOf(other).includes(part)));
        const found = judgeMeasures(measures({ ...one.reached, ...other.reached }));
        const names = found.map(({ verdict }) => verdict);
        expect(names).toEqual(expect.arrayContaining([one.verdict, other.verdict]));
        const order = found.map(({ handOff }) => places.indexOf(handOff));
        expect(order).toEqual(order.toSorted((a, b) => a - b));
      }),
      { numRuns: 500 },
    );
  });
});
