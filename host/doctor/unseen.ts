import { staleFor } from "../path/device_loss.ts";
import { counterRuleOf } from "../path/driver_counters.ts";
import type { HandOffId } from "../path/hand_offs.ts";
import type { Measures } from "../path/measures.ts";
import type { RowState } from "./report.ts";

/** Why nothing is known of a hand-off. */
export interface Unseen {
  readonly state: Extract<RowState, "not seen" | "not refreshed">;
  readonly why: string;
  /** Whether the path cannot be called clean without it. */
  readonly matters: boolean;
}

const NO_PROXY = "no proxy was asked (--proxy)";

const notSeen = (why: string, matters = true): Unseen => ({ state: "not seen", why, matters });

/** What could not be seen of the path, by hand-off. */
export function unseenOf(measures: Measures): Map<HandOffId, Unseen> {
  const { links, cpus, ip, totals, proxy } = measures;
  const unseen = new Map<HandOffId, Unseen>();
  const note = (handOff: HandOffId, what: Unseen | undefined): void => {
    if (what !== undefined) unseen.set(handOff, what);
  };
  note("0", cloudUnseen(measures));
  note("1", linksUnseen(measures));
  if (links === undefined) unseen.set("1x", notSeen("no interfaces were read", false));
  if (cpus === undefined) unseen.set("2", notSeen(whyNot(measures, "proc/net/softnet_stat")));
  if (ip.ip4.eaten === undefined && ip.ip6.eaten === undefined) {
    unseen.set("3", notSeen(whyNot(measures, "proc/net/snmp")));
    unseen.set("3n", notSeen(whyNot(measures, "proc/net/snmp"), false));
  }
  if (totals.arrived === undefined) unseen.set("4", notSeen(whyNot(measures, "proc/net/snmp")));
  note("5", socketsUnseen(measures));
  for (const handOff of ["6", "7", "9"] as const)
    if (proxy === undefined) unseen.set(handOff, notSeen(NO_PROXY, false));
  if (totals.sent === undefined) unseen.set("8", notSeen(whyNot(measures, "proc/net/snmp"), false));
  return unseen;
}

function whyNot({ before, after }: Measures, source: string): string {
  const why = after.missing.get(source) ?? before.missing.get(source);
  return why === undefined ? `${source} does not tell` : `${source}: ${why}`;
}

function cloudUnseen({ links = [] }: Measures): Unseen | undefined {
  const tells = links.some(
    ({ link: { driver, driverStats = [], queueStats } }) =>
      queueStats?.has("rx-hw-drop-ratelimits") ||
      driverStats.some(({ name }) => ["cloud", "cloud-drop"].includes(counterRuleOf(driver?.name, name)?.means ?? "")),
  );
  return tells ? undefined : notSeen("no device here has counters of it", false);
}

function linksUnseen(measures: Measures): Unseen | undefined {
  const { links, subject, seconds } = measures;
  if (links === undefined) return notSeen(whyNot(measures, "rtnl/link"));
  if (links.length === 0) {
    if (subject.interface === undefined) return notSeen("there is no interface but the loopback", false);
    return notSeen(`there is no interface ${subject.interface}`);
  }
  const stale = links.find((link) => (link.received ?? 0) > 0 && staleFor(link, seconds) !== undefined);
  if (stale === undefined) return undefined;
  const refresh = staleFor(stale, seconds);
  const why = `${stale.link.name}: ${stale.link.driver?.name} counts every ${refresh} s, longer than this window; ask for more (--for ${2 * (refresh ?? 1)}s)`;
  return { state: "not refreshed", why, matters: true };
}

function socketsUnseen(measures: Measures): Unseen | undefined {
  const { sockets, subject } = measures;
  if (sockets === undefined) return notSeen(whyNot(measures, "inet_diag/udp4"));
  if (subject.port === undefined || sockets.some(({ isSubject, isGone }) => isSubject && !isGone)) return undefined;
  return notSeen(`no socket has UDP port ${subject.port} in this network namespace`);
}
