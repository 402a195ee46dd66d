import { greatest, restOf, sumOf } from "../path/count.ts";
import type { Measures } from "../path/measures.ts";
import type { Verdict } from "./finding.ts";
import { isLoss, isSkew } from "./gates.ts";
import { lossOnLinks, nameOfInterface } from "./on_links.ts";
import { count, share } from "./words.ts";

const attempted = ({ totals }: Measures): number | undefined => sumOf([totals.sent, totals.sendBufferErrors]);

export const noRoute: Verdict = {
  name: "no-route",
  handOff: "8",
  remedy: [
    "Give this machine a route: ip route get BACKEND says what is missing; look at blackhole and unreachable routes",
  ],
  inVain: ["Send buffers and queues: there is no way out"],
  find: (measures) => {
    const lost = sumOf([measures.ip.ip4.outNoRoutes, measures.ip.ip6.outNoRoutes]);
    if (!isLoss(lost, attempted(measures))) return [];
    return [
      {
        severity: "loss",
        title: "There is no route to where datagrams are sent",
        datagrams: lost,
        proof: [`OutNoRoutes ${count(lost)}; it does not tell UDP from other protocols`],
      },
    ];
  },
};

export const qdisc: Verdict = {
  name: "qdisc-drops",
  handOff: "8",
  remedy: [
    "Send evenly: pacing (SO_MAX_PACING_RATE with fq) instead of bursts",
    "A longer or faster queue: tc -s qdisc show dev {interface}; ip link set {interface} txqueuelen 10000, or a higher rate of tbf or htb",
  ],
  inVain: [
    "A bigger send buffer (SO_SNDBUF, wmem_max): SndbufErrors counts these drops, too, while the buffer is empty",
  ],
  find: (measures) =>
    measures.send.qdiscDrops.flatMap(({ interfaceIndex, kind, drops }) => {
      if (!isLoss(drops, attempted(measures))) return [];
      const name = nameOfInterface(measures, interfaceIndex);
      return [
        {
          severity: "loss",
          title: `The queue of ${name} (${kind}) drops what is sent`,
          datagrams: drops,
          proof: [
            `qdisc ${kind} of ${name}: dropped ${count(drops)}; it does not tell UDP from other protocols`,
            `SndbufErrors ${count(measures.totals.sendBufferErrors ?? 0)}, OutDiscards ${count(sumOf([measures.ip.ip4.outDiscards, measures.ip.ip6.outDiscards]) ?? 0)}`,
          ],
          fill: { interface: name },
        },
      ];
    }),
};

export const sendBuffer: Verdict = {
  name: "send-buffer-full",
  handOff: "8",
  remedy: [
    "Let the program wait for room (EAGAIN, then poll) instead of dropping, or ask for a larger send buffer: SO_SNDBUF, net.core.wmem_max",
    "See what holds it up: ss -unpm for the queue of each socket, tc -s qdisc for the device",
  ],
  inVain: ["A bigger receive buffer: this is the way out"],
  find: (measures) => {
    const ofQueues = greatest(measures.send.qdiscDrops.map(({ drops }) => drops));
    const lost = restOf(measures.totals.sendBufferErrors, [ofQueues]);
    if (!isLoss(lost, attempted(measures)) || isSkew(lost, measures.totals.sendBufferErrors)) return [];
    return [
      {
        severity: "loss",
        title: "Send buffers of sockets are full",
        datagrams: lost,
        proof: [
          `SndbufErrors ${count(measures.totals.sendBufferErrors ?? 0)}, of which queues of devices dropped ${count(ofQueues)}`,
          `${share(lost, attempted(measures) ?? lost)} of what was sent`,
        ],
      },
    ];
  },
};

export const neighbourMissing: Verdict = {
  name: "neighbour-missing",
  handOff: "8",
  remedy: [
    "See whether the next hop lives and answers ARP or NDP: ip neigh show, ping it; its address may be wrong or gone",
    "Many neighbours at a time: sysctl -w net.ipv4.neigh.default.gc_thresh3=8192; until one answers, sysctl net.ipv4.neigh.default.unres_qlen_bytes holds datagrams",
  ],
  inVain: ["Send buffers and queues: send() succeeded, and OutDatagrams counts these as sent"],
  find: (measures) => {
    const { arp, ndisc } = measures.send.neighbourDiscards;
    const discarded = sumOf([arp, ndisc]);
    if (!isLoss(discarded, attempted(measures))) return [];
    const silent = silentNeighbours(measures);
    const severity = silent === undefined ? "possible" : silent.length > 0 ? "loss" : "other";
    return [
      {
        severity,
        title: TITLES[severity],
        // A namespace cannot lose more than it sent.
        datagrams: severity === "possible" ? undefined : Math.min(discarded, measures.totals.sent ?? discarded),
        proof: [
          `unresolved_discards ${count(discarded)}, of all network namespaces of the machine together`,
          silent?.length === 0
            ? "no neighbour of this one is INCOMPLETE or FAILED"
            : (silent ?? []).slice(0, 5).join(", ") || "the neighbours of this one could not be read",
        ],
      },
    ];
  },
};

const TITLES = {
  loss: "Datagrams are thrown away because the link address of their next hop is not known",
  possible: "Datagrams may be thrown away because the link address of their next hop is not known",
  other: "Another network namespace of this machine sends to next hops whose link address is not known",
} as const;

/** Those of this namespace that do not answer; undefined: not read. */
function silentNeighbours(measures: Measures): string[] | undefined {
  const { before, after } = measures;
  if (after.neighbours === undefined) return undefined;
  const silent = [...after.neighbours, ...(before.neighbours ?? [])].filter(
    ({ state }) => state === "INCOMPLETE" || state === "FAILED",
  );
  const lines = silent.map(
    ({ address, interfaceIndex, state }) => `${address} on ${nameOfInterface(measures, interfaceIndex)} is ${state}`,
  );
  return [...new Set(lines)];
}

export const deviceSend: Verdict = {
  name: "device-send-loss",
  handOff: "8",
  remedy: [
    "See whether the link is up and fast enough: ethtool {interface}; a larger ring: ethtool -G {interface} tx N",
  ],
  inVain: ["A bigger send buffer: the device drops what came out of it"],
  find: (measures) =>
    lossOnLinks(measures, "send", ({ link }, { datagrams, counters }) => ({
      // Behind a virtual one is a container or virtual machine: what it does not take is its own loss.
      severity: link.kind === undefined || measures.subject.interface === link.name ? "loss" : "warning",
      title: `The device ${link.name} drops what it should send`,
      datagrams,
      proof: [`${link.name}: ${counters.join(", ")}`],
      fill: { interface: link.name },
    })),
};
