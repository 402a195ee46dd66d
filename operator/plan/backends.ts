import { BACKENDS_MAX } from "../../crds/backends_schema.ts";
import { clusterDestinationFault } from "../../crds/rules_destinations.ts";
import type { QuicProxySpec } from "../../crds/schema.ts";
import type { Refusal } from "../parse.ts";
import type { ObservedService, ObservedSlice, ServicePort, World } from "../world.ts";
import { type Backends, backendsOfSlices } from "./endpoints.ts";
import { serviceProblem, targetPortOf } from "./service.ts";

export interface ResolvedBackends {
  /** Sorted; those of weight 0 keep their flows and get no new one. */
  readonly backends: Backends;
  /** Where they come from, for people; another source is another intent. */
  readonly source: string;
  /** Whether a backend that gets no new flows any more was seen to go, and is not merely missing from a list. */
  wasSeenToGo(backend: Backends[number]): boolean;
  /** What no proxy may or can send to, each with the reason. */
  readonly leftOut: readonly string[];
  /** Why the Service gives none at all. */
  readonly problem: Refusal | undefined;
}

/**
 * The addresses behind a spec. A Service that is gone or of no use has none: connections that are known go on, and no new
 * one is begun. One endpoint that must not be sent to is left out and keeps no other from being used.
 */
export function resolveBackends(world: World, namespace: string, { backends }: QuicProxySpec): ResolvedBackends {
  const { service: reference } = backends;
  if (reference === undefined) {
    const source = "spec.backends.static";
    return { ...sift(backends.static ?? [], source), source, wasSeenToGo: () => true, problem: undefined };
  }
  const source = `Service ${namespace}/${reference.name} ${reference.portName ?? reference.port}`;
  const origin = {
    source,
    wasSeenToGo: (backend: Backends[number]) => world.wasSeenToGo(namespace, reference.name, backend),
  };
  const service = world.service(namespace, reference.name);
  const problem = serviceProblem(service, namespace, reference);
  const port = service && targetPortOf(service, reference);
  if (problem !== undefined || port === undefined) {
    // A Service that is there and gives none says so itself.
    const wasSeenToGo = service === undefined ? origin.wasSeenToGo : () => true;
    return { source, wasSeenToGo, backends: [], leftOut: [], problem };
  }
  const slices = world.slices(namespace, reference.name);
  const sifted = siftedOf(slices, { service: service!, port, where: `Service ${namespace}/${reference.name}` });
  return { ...origin, ...sifted, problem: undefined };
}

interface Wanted {
  readonly service: ObservedService;
  readonly port: ServicePort;
  readonly where: string;
}

type Sifted = Pick<ResolvedBackends, "backends" | "leftOut">;

/** By the list of slices, which is another one where any of them is. */
const siftedBefore = new WeakMap<readonly ObservedSlice[], Wanted & { readonly sifted: Sifted }>();

/** Much is decided anew because something else changed, and thousands of endpoints are not looked at for that. */
function siftedOf(slices: readonly ObservedSlice[], { service, port, where }: Wanted): Sifted {
  const before = siftedBefore.get(slices);
  if (before?.service === service && before.port === port && before.where === where) return before.sifted;
  const sifted = sift(backendsOfSlices(slices, service, port), where);
  siftedBefore.set(slices, { service, port, where, sifted });
  return sifted;
}

function sift(found: Backends, where: string): Sifted {
  const leftOut: string[] = [];
  const usable = found.filter(({ address }) => {
    const fault = clusterDestinationFault(address);
    if (fault !== undefined) leftOut.push(`${address} of ${where} is left out: ${fault}`);
    return fault === undefined;
  });
  const sorted = usable.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port));
  if (sorted.length <= BACKENDS_MAX) return { backends: sorted, leftOut: leftOut.sort() };
  leftOut.unshift(`${where} has ${sorted.length} endpoints, and at most ${BACKENDS_MAX} are used`);
  const kept = new Set([...sorted].sort((a, b) => b.weight - a.weight).slice(0, BACKENDS_MAX));
  return { backends: sorted.filter((backend) => kept.has(backend)), leftOut };
}
