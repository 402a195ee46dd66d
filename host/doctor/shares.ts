import { restOf, sumOf } from "../path/count.ts";
import type { Measures } from "../path/measures.ts";
import type { Finding } from "../verdict/finding.ts";
import type { ReportFinding } from "./report.ts";

/** Each finding with its share of what should have passed this part of the path: in, through the proxy, or out. */
export function withShares(measures: Measures, findings: readonly Finding[]): ReportFinding[] {
  const { totals, proxy } = measures;
  const beforeUdp = findings
    .filter(({ handOff, severity }) => severity === "loss" && ["0", "1", "1x", "2", "3", "3n"].includes(handOff))
    .map(({ datagrams }) => datagrams);
  const came = sumOf([totals.arrived, ...beforeUdp]);
  const wholes: Partial<Record<string, number | undefined>> = {
    // What no socket waits for is nothing that a socket could lose.
    "5": restOf(totals.arrived, [totals.noPorts]),
    "6": proxy?.received,
    "7": proxy?.received,
    "8": sumOf([totals.sent, totals.sendBufferErrors]),
    "9": proxy?.forwarded,
  };
  return findings.map(({ arrived, ...finding }) => {
    const whole = arrived ?? (finding.handOff in wholes ? wholes[finding.handOff] : came);
    return { ...finding, share: shareOf(finding.datagrams, whole) };
  });
}

function shareOf(part: number | undefined, whole: number | undefined): number | undefined {
  return part === undefined || whole === undefined || whole <= 0 ? undefined : Math.min(1, part / whole);
}
