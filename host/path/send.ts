import type { Qdisc } from "../reading/reading.ts";
import type { SendMeasure } from "./measures.ts";
import type { Comparison, Window } from "./window.ts";

type Drops = SendMeasure["qdiscDrops"][number];

const isIngress = ({ kind }: Qdisc): boolean => kind === "ingress" || kind === "clsact";

/** Hand-off 8: queues of the devices, neighbours, and what came back by ICMP; and rules at the ingress, hand-off 3. */
export function sendMeasure(window: Window, comparison: Comparison): SendMeasure {
  const { before, after } = window;
  const earlier = before.qdiscs && new Map(before.qdiscs.map((qdisc) => [placeOf(qdisc), qdisc]));
  const drops = (after.qdiscs ?? []).map((qdisc) => ({ qdisc, moved: movedBy(qdisc, earlier, comparison) }));
  const neighbours = (what: string, key: "arpCache" | "ndiscCache"): number | undefined =>
    comparison.table({ handOff: "8", what, width: 32 }, before[key], after[key])("unresolved_discards");
  const icmp = (what: string, key: "icmp4" | "icmp6"): number | undefined =>
    comparison.table({ handOff: "9", what, width: "word" }, before[key], after[key])("InDestUnreachs");
  return {
    qdiscDrops: mostOfEachInterface(drops.filter(({ qdisc }) => !isIngress(qdisc))),
    ingressDrops: mostOfEachInterface(drops.filter(({ qdisc }) => isIngress(qdisc))),
    neighbourDiscards: { arp: neighbours("arp_cache", "arpCache"), ndisc: neighbours("ndisc_cache", "ndiscCache") },
    destinationUnreachable: { icmp4: icmp("Icmp", "icmp4"), icmp6: icmp("Icmp6", "icmp6") },
  };
}

const placeOf = ({ interfaceIndex, handle, parent }: Qdisc): string => `${interfaceIndex} ${handle} ${parent}`;

/** One that was made within the window began at 0; without a first reading of queues nothing is known. */
function movedBy(qdisc: Qdisc, earlier: ReadonlyMap<string, Qdisc> | undefined, comparison: Comparison): number {
  const what = `qdisc ${qdisc.kind} ${qdisc.handle}`;
  const place = { handOff: isIngress(qdisc) ? "3" : "8", what, width: 32 } as const;
  const old = earlier && (earlier.get(placeOf(qdisc))?.drops ?? 0n);
  return comparison.count(place, old, qdisc.drops) ?? 0;
}

function mostOfEachInterface(all: readonly { readonly qdisc: Qdisc; readonly moved: number }[]): Drops[] {
  const most = new Map<number, Drops>();
  for (const { qdisc, moved } of all) {
    const { interfaceIndex, kind } = qdisc;
    if (moved > (most.get(interfaceIndex)?.drops ?? 0))
      most.set(interfaceIndex, { interfaceIndex, kind, drops: moved });
  }
  return [...most.values()];
}
