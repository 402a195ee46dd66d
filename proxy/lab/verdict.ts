import { checkConservation } from "../counters/conservation.ts";
import type { CountersReport } from "../metrics/report.ts";
import { changedDuringTransfer } from "./nat_process.ts";
import type { ScenarioResult } from "./scenario.ts";

/** Everything that did not go as promised, one sentence each; empty for a good run. */
export function findFaults(result: ScenarioResult, backendNames: ReadonlyMap<string, string>): string[] {
  return [
    ...downloadFaults(result),
    ...roamingFaults(result),
    ...flowFaults(result, backendNames),
    ...checkConservation(result.counters.totals).map(
      ({ rule, entered, counted }) => `counters do not add up: ${rule}: ${entered} and ${counted}`,
    ),
  ];
}

function downloadFaults({ downloads, roaming }: ScenarioResult): string[] {
  return [...downloads, ...roaming.map(({ download }) => download)]
    .filter(({ fault }) => fault !== undefined)
    .map(({ name, fault }) => `download ${name}: ${fault}`);
}

function roamingFaults({ roaming, counters }: ScenarioResult): string[] {
  const unchanged = roaming.filter(({ mapping }) => !changedDuringTransfer(mapping));
  const faults = unchanged.map(({ download }) => `${download.name}: its address did not change during the transfer`);
  const readdressed = counters.totals.flow_readdressed;
  if (readdressed !== roaming.length - unchanged.length) {
    faults.push(`${roaming.length - unchanged.length} clients changed address, the proxy noticed ${readdressed}`);
  }
  return faults;
}

/**
 * A connection makes one flow, and one more when its address changes, all to the backend that answered it. A backend
 * with more flows than that saw a connection that was not its own. Fewer are possible: a later client may come from
 * the address and port of an earlier one.
 */
function flowFaults({ downloads, roaming, counters }: ScenarioResult, names: ReadonlyMap<string, string>): string[] {
  return counters.backends.flatMap((backend) => {
    const name = names.get(backend.address);
    const plain = downloads.filter((download) => download.backend === name).length;
    const roamed = roaming.filter(({ download }) => download.backend === name).length;
    const most = plain + 2 * roamed;
    if (backend.flowsCreated <= most) return [];
    return [`${name} got ${backend.flowsCreated} flows, but the connections it answered make at most ${most}`];
  });
}

export interface Drop {
  where: string;
  datagrams: number;
}

/** Every counter of a drop that is not zero, in the order of the path, and the kernel's drops at the listeners. */
export function findDrops({ totals, endpoints }: CountersReport): Drop[] {
  const kernel = endpoints.map(({ address, port, kernelDrops }) => ({
    where: `receive buffer of ${address} port ${port}`,
    datagrams: kernelDrops,
  }));
  const counted = Object.entries(totals)
    .filter(([name]) => name.includes("_dropped_"))
    .map(([name, datagrams]) => ({ where: name, datagrams }));
  return [...kernel, ...counted].filter(({ datagrams }) => datagrams > 0);
}
