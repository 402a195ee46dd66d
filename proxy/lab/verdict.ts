import { checkConservation } from "../counters/conservation.ts";
import { DROP_COUNTERS } from "../counters/drops.ts";
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
  const unchanged = roaming.filter(({ download, mapping }) => !download.fault && !changedDuringTransfer(mapping));
  const faults = unchanged.map(({ download }) => `${download.name}: its address did not change during the transfer`);
  const changed = roaming.filter(({ mapping }) => mapping.sent[1] > 0).length;
  const noticed = counters.totals.flow_readdressed;
  if (noticed !== changed) faults.push(`${changed} clients changed their address, the proxy noticed ${noticed}`);
  return faults;
}

/**
 * A connection makes one flow, and one more when its address changes, all to the backend that answered it. A backend
 * with more flows than that saw a connection that was not its own. Fewer are possible: a later client may come from
 * the address and port of an earlier one. A download that failed may have made its flows anywhere.
 */
function flowFaults({ downloads, roaming, counters }: ScenarioResult, names: ReadonlyMap<string, string>): string[] {
  const lost = downloads.filter(({ backend }) => backend === undefined).length;
  const lostRoaming = roaming.filter(({ download }) => download.backend === undefined).length;
  return counters.backends.flatMap((backend) => {
    const name = names.get(backend.address);
    const plain = downloads.filter((download) => download.backend === name).length;
    const roamed = roaming.filter(({ download }) => download.backend === name).length;
    const most = plain + lost + 2 * (roamed + lostRoaming);
    if (backend.flowsCreated <= most) return [];
    return [`${name} got ${backend.flowsCreated} flows, but the connections it answered make at most ${most}`];
  });
}

export interface Drop {
  where: string;
  datagrams: number;
}

/** Every counter of a drop that is not zero, in the order of the path, and the kernel's drops at the sockets. */
export function findDrops({ totals, endpoints }: CountersReport): Drop[] {
  const kernel = endpoints.map(({ address, port, kernelDrops }) => ({
    where: `receive buffer of ${address} port ${port}`,
    datagrams: kernelDrops,
  }));
  const counted = DROP_COUNTERS.map((name) => ({ where: name, datagrams: totals[name] }));
  return [...kernel, ...counted].filter(({ datagrams }) => datagrams > 0);
}
