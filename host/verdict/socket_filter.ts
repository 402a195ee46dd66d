import type { Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { memoryPressure } from "./udp_memory.ts";
import { count } from "./words.ts";

export const socketFilter: Verdict = {
  name: "socket-filter",
  handOff: "5",
  remedy: [
    "See whether a filter is attached: ss -ulnpe --bpf; the program that attached it decides what it takes",
    "Without a filter: IPsec policies (ip xfrm policy), wrong lengths, encapsulation (ip fou show)",
  ],
  inVain: ["A bigger socket buffer: it is not full"],
  find: (measures) => {
    const { otherErrors, arrived } = measures.totals;
    if (!isLoss(otherErrors, arrived)) return [];
    const isOld = measures.totals.memoryErrors === undefined;
    if (isOld && memoryPressure(measures).isNearLimit) return [];
    return [
      {
        severity: "loss",
        title: "Sockets refuse datagrams for another reason than a full buffer: a filter, a length, a policy",
        datagrams: otherErrors,
        proof: [
          `InErrors has ${count(otherErrors)} that are in none of its parts (RcvbufErrors, InCsumErrors, MemErrors)`,
          ...(isOld ? ["this kernel (before 5.11) has no column for memory errors: they would be among these"] : []),
        ],
      },
    ];
  },
};
