import {
  channelsCall,
  channelsOf,
  driverCall,
  driverOf,
  type EthtoolCall,
  ringsCall,
  ringsOf,
  statNamesCall,
  statNamesOf,
  statsCountCall,
  statsCountOf,
  statValuesCall,
  statValuesOf,
} from "../ethtool/structs.ts";
import { formatChannels, formatDriver, formatRings, formatStats } from "../ethtool/text.ts";
import type { RawSource } from "../raw.ts";
import type { EthtoolWhat } from "../sources.ts";
import { reasonOf } from "./reason.ts";
import type { HostSystem } from "./system.ts";

/** What a driver may have at most: more is no driver that there is. */
const MOST_STATS = 65_536;
const ATTEMPTS = 3;

type Ask = (call: EthtoolCall) => Uint8Array;

/** Between names and values queues may come or go; then both are read again. */
function readStats(ask: Ask): string {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const count = statsCountOf(ask(statsCountCall));
    if (count === 0) throw Object.assign(new Error("none"), { code: "EOPNOTSUPP" });
    if (count > MOST_STATS) throw new Error(`the driver claims to have ${count} statistics`);
    const names = statNamesOf(ask(statNamesCall(count)), count);
    const values = statValuesOf(ask(statValuesCall(count)), count);
    if (names !== undefined && values !== undefined) return formatStats(names, values);
  }
  throw new Error("the driver's statistics became more or fewer each time while they were read");
}

const READERS: Readonly<Record<EthtoolWhat, (ask: Ask) => string>> = {
  driver: (ask) => formatDriver(driverOf(ask(driverCall))),
  rings: (ask) => formatRings(ringsOf(ask(ringsCall))),
  channels: (ask) => formatChannels(channelsOf(ask(channelsCall))),
  stats: readStats,
};

/** What ethtool would print of an interface. */
export function readEthtool(system: HostSystem, interfaceName: string, what: EthtoolWhat): RawSource {
  try {
    return { text: READERS[what](({ request, answerBytes }) => system.ethtool(interfaceName, request, answerBytes)) };
  } catch (error) {
    return { error: reasonOf(error, { absent: "the interface is gone", right: "CAP_NET_ADMIN" }) };
  }
}
