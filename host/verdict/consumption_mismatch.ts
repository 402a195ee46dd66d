import type { Measures } from "../path/measures.ts";
import { TRUESIZE_BYTES } from "../path/truesize.ts";
import type { Verdict } from "./finding.ts";
import { ofReason } from "./group_member.ts";
import type { LosingSockets } from "./losing_sockets.ts";
import { occupancyOf } from "./queue.ts";
import { bufferOf, portName, socketLine } from "./socket_words.ts";
import { count, duration, perSecond, ratio, share, size } from "./words.ts";

const TRIED_MB = 25;
const SOCKETS_SHOWN = 3;

export const consumptionMismatch: Verdict = {
  name: "consumption-mismatch",
  handOff: "5",
  remedy: [
    "Read with more CPUs: more workers on one port (SO_REUSEPORT); the proxy: dataPlane.workers",
    "Make each datagram cheaper: many per system call (recvmmsg, sendmmsg, UDP_GRO), receiving apart from working (the proxy: dataPlane.mode Decoupled)",
    "Spread the load over more machines",
  ],
  inVain: ["A bigger receive buffer, rmem_max, rmem_default, udp_mem: it is full a moment later, and stays full"],
  find: (measures) =>
    ofReason(measures, "mismatch", (losing) => ({
      severity: "loss",
      title: `${portName(losing)} is read slower than datagrams arrive: the buffer is the symptom, the rate the cause`,
      datagrams: losing.lost,
      proof: proofOf(losing, measures),
    })),
};

function proofOf(losing: LosingSockets, measures: Measures): string[] {
  const { group, sockets, lost } = losing;
  const { seconds, totals } = measures;
  const { full, readings, busy } = occupancyOf(sockets, measures);
  return [
    ...rates(losing, measures),
    `lost ${count(lost)} (${perSecond(lost, seconds)}), ${share(lost, totals.arrived ?? lost)} of what arrived; the buffer was full at ${full} of ${readings} readings, something waited at ${busy}`,
    bought(lost / seconds, bufferOf(group), group.length),
    ...sockets.slice(0, SOCKETS_SHOWN).map(socketLine),
  ];
}

/** InDatagrams counts what every socket of the namespace reads: where others read much, the service rate is less. */
function rates({ group, lost }: LosingSockets, { seconds, totals, sockets = [] }: Measures): string[] {
  const service = (totals.delivered ?? 0) / seconds;
  const arrival = service + lost / seconds;
  if (service < 1) return [`arrival rate ${count(arrival)}/s; next to nothing was read`];
  return [
    `arrival rate ${count(arrival)}/s, service rate ${count(service)}/s${sockets.length > group.length ? " at most" : ""}: rho ${ratio(arrival / service)}`,
    `that is ${duration(group.length / service)} for each datagram and reader (${group.length})`,
  ];
}

/** The kernel grants twice what setsockopt asks for, and counts truesize. */
function bought(surplusPerSecond: number, buffer: number | undefined, sockets: number): string {
  const secondsOf = (bytes: number): string => duration(bytes / (surplusPerSecond * TRUESIZE_BYTES));
  const present =
    buffer === undefined ? "" : `the present buffer (${size(buffer)}) holds ${secondsOf(buffer)} of the surplus, `;
  return `${present}SO_RCVBUF of ${TRIED_MB} MB would hold ${secondsOf(2 * TRIED_MB * 1e6 * sockets)}; then the loss goes on`;
}
