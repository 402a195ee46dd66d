import { greatest } from "../path/count.ts";
import type { Measures } from "../path/measures.ts";
import { TRUESIZE_BYTES } from "../path/truesize.ts";
import type { Verdict } from "./finding.ts";
import { ofReason } from "./group_member.ts";
import type { LosingSockets } from "./losing_sockets.ts";
import { capacityOf, occupancyOf, utilization } from "./queue.ts";
import { portName, socketLine } from "./socket_words.ts";
import { count, perSecond, ratio, share, size } from "./words.ts";

const SOCKETS_SHOWN = 3;

export const burst: Verdict = {
  name: "burst",
  handOff: "5",
  remedy: [
    "Let the program ask for a larger buffer: setsockopt SO_RCVBUF {rcvbuf} (the kernel grants twice that), and open the socket anew",
    "Let the kernel allow it: sysctl -w net.core.rmem_max={rcvbuf}; a program with CAP_NET_ADMIN may use SO_RCVBUFFORCE instead",
    "Read more in each turn (recvmmsg), so that a burst is worked off sooner",
  ],
  inVain: [
    "More CPUs than readers: between bursts the reader keeps up",
    "rmem_max alone: it changes no socket that is open",
  ],
  find: (measures) =>
    ofReason(measures, "burst", (losing) => {
      const held = heldBytes(losing, measures);
      return {
        severity: "loss",
        title: `A burst was larger than the receive buffer of ${portName(losing)}; on average its reader keeps up (rho below 1)`,
        datagrams: losing.lost,
        proof: proofOf(losing, measures, held),
        fill: { rcvbuf: String(Math.ceil(held / 2)) },
      };
    }),
};

/** The buffer that would have held it, had all that was lost come at once. */
function heldBytes({ sockets, lost }: LosingSockets, measures: Measures): number {
  const most = greatest(sockets.map((socket) => capacityOf(socket, measures)));
  return most + (lost / sockets.length) * TRUESIZE_BYTES;
}

function proofOf({ sockets, lost }: LosingSockets, measures: Measures, held: number): string[] {
  const { seconds, totals } = measures;
  const { full, readings, busy } = occupancyOf(sockets, measures);
  const rho = greatest(sockets.map((socket) => utilization(socket, lost, measures)));
  return [
    `lost ${count(lost)} (${share(lost, totals.arrived ?? lost)} of what arrived at ${perSecond(totals.arrived ?? lost, seconds)}), but the buffer was full at only ${full} of ${readings} readings`,
    `something waited at ${busy} of them, so that the reader could do more than it did: rho about ${ratio(rho)}`,
    `at most ${size(held)} of buffer would have held it, had all of it come at once`,
    ...sockets.slice(0, SOCKETS_SHOWN).map(socketLine),
  ];
}
