import type { NetfilterMeasure } from "./measures.ts";
import type { Comparison, Window } from "./window.ts";

/** Hand-off 3n: connection tracking (32 bit per CPU, so that sums are right modulo 2^32) and queues to user space. */
export function netfilterMeasure({ before, after }: Window, comparison: Comparison): NetfilterMeasure {
  const place = { handOff: "3n", what: "nf_conntrack", width: 32 } as const;
  const stat = comparison.table(place, before.conntrack.stats, after.conntrack.stats);
  return {
    conntrackCount: after.conntrack.count,
    conntrackMax: after.conntrack.max,
    dropped: stat("drop"),
    earlyDropped: stat("early_drop"),
    insertFailed: stat("insert_failed"),
    clashResolved: stat("clash_resolve") ?? stat("clashres"),
    invalid: stat("invalid"),
    queues: queuesOf({ before, after }, comparison),
  };
}

/** Sums modulo 2^32 are kept as they are: a queue is bound anew when its reader starts again, and counts from 0. */
function queuesOf(
  { before, after }: Pick<Window, "before" | "after">,
  comparison: Comparison,
): NetfilterMeasure["queues"] {
  const earlier = new Map(before.netfilterQueues?.map((each) => [`${each.queue} ${each.portId}`, each]));
  return (after.netfilterQueues ?? []).map(({ queue, portId, waiting, queueDropped, userDropped }) => {
    const old = earlier.get(`${queue} ${portId}`);
    const from = (name: "queueDropped" | "userDropped", now: bigint): number => {
      const place = { handOff: "3n", what: `queue ${queue} ${name}`, width: 32 } as const;
      return comparison.count(place, before.netfilterQueues && (old?.[name] ?? 0n), now) ?? 0;
    };
    return {
      queue,
      portId,
      waiting,
      queueDropped: from("queueDropped", queueDropped),
      userDropped: from("userDropped", userDropped),
    };
  });
}
