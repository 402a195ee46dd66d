import { sumOf } from "../path/count.ts";
import type { IpMeasure } from "../path/measures.ts";
import { atIp, receivedByIp } from "./at_ip.ts";
import type { Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { count } from "./words.ts";

const PARTS: readonly (readonly [string, (measure: IpMeasure) => number | undefined])[] = [
  ["InHdrErrors", ({ headerErrors }) => headerErrors],
  ["InAddrErrors", ({ addressErrors }) => addressErrors],
  ["InNoRoutes", ({ noRoutes }) => noRoutes],
  ["InTruncatedPkts", ({ truncated }) => truncated],
  ["InDiscards", ({ discards }) => discards],
];

export const ipInputErrors: Verdict = {
  name: "ip-input-errors",
  handOff: "3",
  remedy: [
    "InAddrErrors, InNoRoutes: see whether the address they are sent to is this machine's: ip address, ip route get ADDRESS",
    "InHdrErrors: a hop limit that ended (a loop), or damaged headers; capture some: tcpdump -i any -c 100 -vv udp",
  ],
  inVain: ["Socket buffers: the datagrams were refused before UDP"],
  find: (measures) => {
    const lost = atIp(measures, (measure) => sumOf(PARTS.map(([, part]) => part(measure))));
    if (!isLoss(lost, receivedByIp(measures))) return [];
    const parts = PARTS.flatMap(([name, part]) => {
      const moved = atIp(measures, part) ?? 0;
      return moved > 0 ? [`${name} ${count(moved)}`] : [];
    });
    return [
      {
        severity: "loss",
        title: "The IP layer refuses what came: not for this machine, or damaged",
        datagrams: lost,
        proof: [`${parts.join(", ")}; these do not tell UDP from other protocols`],
      },
    ];
  },
};
