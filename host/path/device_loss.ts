import { greatest } from "./count.ts";
import { type CounterClass, counterRuleOf, eventOf, rulesOf } from "./driver_counters.ts";
import type { LinkMeasure } from "./measures.ts";

/** What a device lost by one class of its counters, and the counters that say so. */
export interface DeviceLoss {
  /** The greatest of groups that may count the same events; never their sum. */
  readonly datagrams: number;
  /** What moved, for people: "rx_out_of_buffer 48". */
  readonly counters: readonly string[];
}

/** rtnl_link_stats64 and netdev-genl names that mean the same in every driver, each a group of its own. */
const DRIVER_NEUTRAL: Readonly<Partial<Record<CounterClass, readonly string[]>>> = {
  ring: ["rx_missed_errors", "rx_fifo_errors", "rx_over_errors", "rx-hw-drops", "rx-hw-drop-overruns"],
  "cloud-drop": ["rx-hw-drop-ratelimits"],
  memory: ["rx-alloc-fail"],
  corrupt: ["rx_crc_errors", "rx_length_errors", "rx_frame_errors"],
  send: ["tx_dropped", "tx-hw-drops"],
};

/** What one class of counters of one device says. */
export function deviceLoss(measure: LinkMeasure, means: CounterClass): DeviceLoss {
  const named = [...groupsOf(measure, means)].map(([counters, moved]) => ({ counters, moved }));
  const neutral = (DRIVER_NEUTRAL[means] ?? []).flatMap((name) => {
    const moved = measure.queueStats.get(name) ?? measure.stats.get(name);
    return moved === undefined ? [] : [{ counters: name, moved }];
  });
  const groups = [...named, ...neutral.filter(({ counters }) => !named.some((each) => each.counters === counters))];
  return {
    datagrams: greatest(groups.map(({ moved }) => moved)),
    counters: groups.map(({ counters, moved }) => `${counters} ${moved.toLocaleString("en-US")}`),
  };
}

/** Sum over the queues of each event, named by its first counter and how many more of it moved. */
function groupsOf({ link, driverStats }: LinkMeasure, means: CounterClass): Map<string, number> {
  const events = new Map<string, { name: string; more: number; moved: number }>();
  for (const { name, moved } of driverStats) {
    const rule = counterRuleOf(link.driver?.name, name);
    if (rule?.means !== means) continue;
    // Of a driver that is not known, nobody can say which counters are one event.
    const event = means === "suspect" ? name : eventOf(rule);
    const old = events.get(event);
    if (old === undefined) events.set(event, { name: name.trim(), more: 0, moved });
    else events.set(event, { ...old, more: old.more + 1, moved: old.moved + moved });
  }
  return new Map(
    [...events.values()].map(({ name, more, moved }) => [more === 0 ? name : `${name} and ${more} more`, moved]),
  );
}

/** What was lost in the device or its ring, by whatever name. */
export function lostInDevice(measure: LinkMeasure): number {
  return greatest(
    (["ring", "port", "memory", "corrupt"] as const).map((means) => deviceLoss(measure, means).datagrams),
  );
}

/**
 * rx_dropped without what other counters explain: an overflow of a CPU's backlog is counted there, too, and /proc/net/dev
 * adds rx_missed_errors to it. Which device's datagrams a backlog lost is not told: it is taken off each.
 */
export function unexplainedDrops(measure: LinkMeasure, ofBacklogs: number): number {
  const isSummed = !measure.link.stats.has("rx_missed_errors");
  const ofDevice = isSummed ? lostInDevice(measure) : 0;
  return Math.max(0, (measure.stats.get("rx_dropped") ?? 0) - ofBacklogs - ofDevice);
}

export const isRxDroppedLoss = ({ link }: LinkMeasure): boolean => rulesOf(link.driver?.name).isRxDroppedLoss === true;

/** The pace at which the driver's counters move, where it is slower than the window. */
export function staleFor(measure: LinkMeasure, windowSeconds: number): number | undefined {
  const { refreshSeconds } = rulesOf(measure.link.driver?.name);
  const isStale = refreshSeconds !== undefined && windowSeconds < refreshSeconds && !measure.isRefreshed;
  return isStale && measure.link.driverStats !== undefined ? refreshSeconds : undefined;
}
