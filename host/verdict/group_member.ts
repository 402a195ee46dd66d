import type { Measures } from "../path/measures.ts";
import type { Found, Verdict } from "./finding.ts";
import { type LosingSockets, losingSockets, type Reason } from "./losing_sockets.ts";
import { ownerName, portName, socketLine } from "./socket_words.ts";
import { count } from "./words.ts";

/** What the sockets of the subject lose for one reason. Those of others: other_ports.ts. */
export function ofReason(measures: Measures, reason: Reason, found: (losing: LosingSockets) => Found): Found[] {
  return losingSockets(measures)
    .filter((losing) => losing.reason === reason && losing.sockets.some(({ isSubject }) => isSubject))
    .map(found);
}

const membersLine = ({ group, sockets, lost }: LosingSockets): string =>
  `${sockets.length} of ${group.length} sockets of the SO_REUSEPORT group lost ${count(lost)}; the queues of the others are not full`;

export const foreignSocket: Verdict = {
  name: "foreign-socket",
  handOff: "5",
  remedy: [
    "Stop {owner}, or let it close this socket: the kernel gives every member of the group its share",
    "Run the two under different user IDs, so that only one can bind the port",
  ],
  inVain: ["A bigger receive buffer: nobody reads it", "More workers: the foreign member keeps its share"],
  find: (measures) =>
    ofReason(measures, "foreign", (losing) => ({
      severity: "loss",
      title: `A socket of another program in the group of ${portName(losing)} takes datagrams and does not read them`,
      datagrams: losing.lost,
      proof: [membersLine(losing), ...losing.sockets.map(socketLine)],
      fill: { owner: ownerName(losing.sockets[0]!).replaceAll(/^ \(|\)$/g, "") },
    })),
};

export const unreadSocket: Verdict = {
  name: "unread-socket",
  handOff: "5",
  remedy: [
    "Let the program read this socket or close it; ss -ulnpm shows it, restarting the program closes it",
    "If nothing else loses datagrams, the host is healthy, and only what is sent to this socket is lost",
  ],
  inVain: [
    "A bigger receive buffer, rmem_max, rmem_default: nobody reads it",
    "More workers: a forgotten socket keeps its share of the group",
  ],
  find: (measures) =>
    ofReason(measures, "unread", (losing) => ({
      severity: "loss",
      title: `Nobody reads a socket of ${portName(losing)}`,
      datagrams: losing.lost,
      proof: [
        `${count(losing.lost)} lost; its queue is full and did not change between the readings`,
        ...(losing.group.length > 1 ? [membersLine(losing)] : []),
        ...losing.sockets.map(socketLine),
      ],
    })),
};

export const hotSocket: Verdict = {
  name: "hot-socket",
  handOff: "5",
  remedy: [
    "Spread the source: several flows (source ports) instead of one; a group shares out flows, never the datagrams of one",
    "QUIC: share out by Connection ID instead of the 4-tuple (a steering program of the group)",
    "Make the work for each datagram smaller: batches (recvmmsg), UDP_GRO, receiving and working on threads of their own",
  ],
  inVain: ["More workers: the busiest flow stays on one socket", "A bigger receive buffer: the flow fills that, too"],
  find: (measures) =>
    ofReason(measures, "hot", (losing) => ({
      severity: "loss",
      title: `One of ${losing.group.length} sockets of ${portName(losing)} gets more than its reader can take, the others have room`,
      datagrams: losing.lost,
      proof: [membersLine(losing), ...losing.sockets.map(socketLine)],
    })),
};
