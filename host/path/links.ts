import type { Counters, DriverStat, Link } from "../reading/reading.ts";
import { counterRuleOf } from "./driver_counters.ts";
import type { LinkMeasure } from "./measures.ts";
import type { Comparison, Window } from "./window.ts";

/** Hand-offs 0 to 1x: each interface that was there at both readings; of a named subject that one alone. */
export function linkMeasures({ before, after, subject }: Window, comparison: Comparison): LinkMeasure[] | undefined {
  if (before.links === undefined || after.links === undefined) return undefined;
  const wanted = ({ name, isLoopback }: Link): boolean =>
    subject.interface === undefined ? !isLoopback : name === subject.interface;
  const now = new Map(after.links.map((link) => [link.name, link]));
  return before.links.filter(wanted).flatMap((old) => {
    const link = now.get(old.name);
    if (link !== undefined && isSame(old, link)) return [measureOf(old, link, comparison)];
    // Virtual ones come and go with their pods.
    if (old.kind === undefined || subject.interface !== undefined) {
      const what = link === undefined ? "went away within the window" : "was made anew within the window";
      comparison.restarted.push({ handOff: "1", what: `${old.name} ${what}` });
    }
    return [];
  });
}

/** /proc/net/dev tells no index: 0. */
const isSame = (old: Link, link: Link): boolean => old.index === link.index || old.index === 0 || link.index === 0;

function measureOf(old: Link, link: Link, comparison: Comparison): LinkMeasure {
  const restartedBefore = comparison.restarted.length;
  const driverStats = movedDriverStats(old, link, comparison);
  return {
    link,
    received: comparison.count(place(link, "rx_packets"), old.stats.get("rx_packets"), link.stats.get("rx_packets")),
    stats: movedStats(link, old.stats, link.stats, comparison),
    queueStats: movedStats(link, old.queueStats, link.queueStats, comparison),
    driverStats,
    isRefreshed: driverStats.length > 0 || comparison.restarted.length > restartedBefore,
  };
}

const place = ({ name }: Link, what: string) => ({ handOff: "1", what: `${name} ${what}`, width: "word" }) as const;

function movedStats(
  link: Link,
  before: Counters | undefined,
  after: Counters | undefined,
  comparison: Comparison,
): Map<string, number> {
  const moved = new Map<string, number>();
  for (const [name, value] of after ?? []) {
    if (name === "rx_packets") continue;
    const by = comparison.count(place(link, name), before?.get(name), value);
    if (by !== undefined && by > 0) moved.set(name, by);
  }
  return moved;
}

/** Gauges (fill levels, speeds) stand among the counters and may fall: a fall means something only where loss is counted. */
function movedDriverStats(old: Link, link: Link, comparison: Comparison): LinkMeasure["driverStats"] {
  const before = numbered(old.driverStats ?? []);
  return [...numbered(link.driverStats ?? [])].flatMap(([key, { name, value }]) => {
    const earlier = before.get(key)?.value;
    if (earlier === value || earlier === undefined) return [];
    const means = counterRuleOf(link.driver?.name, name)?.means ?? "ignored";
    if (means === "ignored" && value < earlier) return [];
    const moved = comparison.count(place(link, name), earlier, value);
    return moved === undefined ? [] : [{ name, moved }];
  });
}

/** By name and by how often the name came before: vmxnet3 repeats each name once for every queue. */
function numbered(stats: readonly DriverStat[]): Map<string, DriverStat> {
  const times = new Map<string, number>();
  return new Map(
    stats.map((stat) => {
      const time = times.get(stat.name) ?? 0;
      times.set(stat.name, time + 1);
      return [`${stat.name}#${time}`, stat];
    }),
  );
}
