import { formatAddress } from "../../process/host_port.ts";
import type { Plan, PlannedBackend } from "./plan.ts";

export interface PlanChanges {
  backendsAdded: string[];
  backendsRemoved: string[];
  /** `10.0.0.7:4433 1 -> 2` */
  weightsChanged: string[];
  /** `10.0.0.7:4433 c4605e -> 350d28` */
  serverIdsChanged: string[];
  /** `rotation 0`: another key under the same rotation. */
  keysChanged: string[];
  /** `idleTimeoutMs 120000 -> 60000` */
  settingsChanged: string[];
}

function weightsByAddress(backends: readonly PlannedBackend[]): Map<string, number> {
  return new Map(backends.map(({ address, port, weight }) => [formatAddress(address, port), weight]));
}

function settingsChanged(before: Plan["settings"], after: Plan["settings"]): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names]
    .filter((name) => before[name] !== after[name])
    .map((name) => `${name} ${before[name] ?? "unset"} -> ${after[name] ?? "unset"}`);
}

/** Of backends that were there before and still are. */
function serverIdsChanged(before: Plan, after: Plan, stayed: readonly string[]): string[] {
  const [old, present] = [before.serverIds, after.serverIds];
  return stayed
    .filter((backend) => old.get(backend) !== present.get(backend))
    .map((backend) => `${backend} ${old.get(backend) ?? "none"} -> ${present.get(backend) ?? "none"}`);
}

function keysChanged(before: Plan, after: Plan): string[] {
  return [...after.quicLbKeys].flatMap(([rotation, key]) => {
    const old = before.quicLbKeys.get(rotation);
    return old === undefined || Buffer.compare(old, key) === 0 ? [] : [`rotation ${rotation}`];
  });
}

/** What an applied manifest changed against the one before it. */
export function diffPlans(before: Plan, after: Plan): PlanChanges {
  const old = weightsByAddress(before.backends);
  const present = weightsByAddress(after.backends);
  const stayed = [...present.keys()].filter((backend) => old.has(backend));
  return {
    backendsAdded: [...present.keys()].filter((backend) => !old.has(backend)),
    backendsRemoved: [...old.keys()].filter((backend) => !present.has(backend)),
    weightsChanged: [...present]
      .filter(([backend, weight]) => old.has(backend) && old.get(backend) !== weight)
      .map(([backend, weight]) => `${backend} ${old.get(backend)} -> ${weight}`),
    serverIdsChanged: serverIdsChanged(before, after, stayed),
    keysChanged: keysChanged(before, after),
    settingsChanged: settingsChanged(before.settings, after.settings),
  };
}

/** How many of each: for programs that read the log. */
export function countChanges(changes: PlanChanges): Record<keyof PlanChanges, number> {
  return {
    backendsAdded: changes.backendsAdded.length,
    backendsRemoved: changes.backendsRemoved.length,
    weightsChanged: changes.weightsChanged.length,
    serverIdsChanged: changes.serverIdsChanged.length,
    keysChanged: changes.keysChanged.length,
    settingsChanged: changes.settingsChanged.length,
  };
}

const NAMED_MAX = 5;

function listSome(what: string, items: readonly string[]): string[] {
  if (items.length === 0) return [];
  const more = items.length > NAMED_MAX ? ` and ${items.length - NAMED_MAX} more` : "";
  return [`${what} ${items.slice(0, NAMED_MAX).join(", ")}${more}`];
}

/** One line for the log; 10,000 new backends do not make it longer than five do. */
export function formatChanges(changes: PlanChanges): string {
  const parts = [
    ...listSome("backends added:", changes.backendsAdded),
    ...listSome("backends removed:", changes.backendsRemoved),
    ...listSome("weights:", changes.weightsChanged),
    ...listSome("server IDs:", changes.serverIdsChanged),
    ...listSome("QUIC-LB keys:", changes.keysChanged),
    ...listSome("settings:", changes.settingsChanged),
  ];
  return parts.length === 0 ? "nothing changed for the data plane" : parts.join("; ");
}
