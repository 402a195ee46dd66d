import type { Measures } from "../path/measures.ts";
import type { Severity, Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { count, share } from "./words.ts";

/** Scans find closed ports on every machine that the world can reach. */
const SCAN_SHARE = 0.01;

export const noListener: Verdict = {
  name: "no-listener",
  handOff: "4",
  remedy: [
    "See what listens: ss -ulnp; start the program, or let it bind the address and port that senders use",
    "A program that listens in another network namespace (a container) does not count: quicproxy doctor --netns looks there",
  ],
  inVain: ["A bigger socket buffer: there is no socket", "InErrors: NoPorts is not a part of it"],
  find: (measures) => {
    const { noPorts, arrived } = measures.totals;
    if (!isLoss(noPorts, arrived)) return [];
    const { port } = measures.subject;
    return [
      {
        severity: severityOf(measures, noPorts),
        title: "Datagrams come to UDP ports on which nobody listens",
        datagrams: noPorts,
        proof: [
          `NoPorts ${count(noPorts)}, ${share(noPorts, arrived ?? 0)} of what arrived`,
          ...(port === undefined ? [] : [`UDP port ${port}: ${isOpen(measures) ? "a socket is there" : "no socket"}`]),
        ],
      },
    ];
  },
};

const isOpen = ({ sockets = [] }: Measures): boolean => sockets.some(({ isSubject }) => isSubject);

function severityOf(measures: Measures, noPorts: number): Severity {
  const { subject, totals, sockets } = measures;
  if (subject.port !== undefined && sockets !== undefined) return isOpen(measures) ? "other" : "loss";
  return noPorts >= SCAN_SHARE * (totals.arrived ?? 0) ? "loss" : "warning";
}
