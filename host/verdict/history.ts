import type { Counters, Reading } from "../reading/reading.ts";
import type { Finding } from "./finding.ts";
import { count, share } from "./words.ts";

export const HISTORY = {
  name: "history-only",
  remedy: ["Take two readings while it happens: quicproxy doctor --for 10s"],
  inVain: ["Totals since the machine started: they cannot tell whether anything is lost now"],
};

/** What one reading alone tells: totals since boot, from which nothing about now follows. */
export function historyOf(reading: Reading): Finding[] {
  const families = [
    { name: "Udp", table: reading.udp4 },
    { name: "Udp6", table: reading.udp6 },
  ];
  const proof = families.flatMap(({ name, table }) => (table === undefined ? [] : udpLine(name, table)));
  const dropped = (reading.softnet ?? []).reduce((sum, row) => sum + row.dropped, 0);
  if (dropped > 0) proof.push(`softnet: dropped ${count(dropped)}`);
  const { name, remedy, inVain } = HISTORY;
  return [
    {
      verdict: name,
      handOff: "4",
      severity: "history",
      title: "One reading shows what happened since the machine started; no loss can be proved now",
      datagrams: undefined,
      proof: proof.length > 0 ? proof : ["no counter of this reading shows any loss"],
      remedy,
      inVain,
    },
  ];
}

function udpLine(name: string, table: Counters): string[] {
  const of = (column: string): number => Number(table.get(column) ?? 0n);
  const errors = of("InErrors");
  const arrived = of("InDatagrams") + errors;
  if (arrived === 0) return [];
  return [
    `${name}: history shows ${share(errors, arrived)} of ${count(arrived)} datagrams lost: InErrors ${count(errors)}, RcvbufErrors ${table.has("RcvbufErrors") ? count(of("RcvbufErrors")) : "not told"}, InCsumErrors ${table.has("InCsumErrors") ? count(of("InCsumErrors")) : "not told"}; NoPorts ${count(of("NoPorts"))} besides`,
  ];
}
