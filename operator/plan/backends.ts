import { BACKENDS_MAX } from "../../crds/backends_schema.ts";
import type { QuicProxySpec } from "../../crds/schema.ts";
import { formatFinding, type Refusal } from "../parse.ts";
import type { ObservedProxy, ObservedService, ObservedSlice, ServicePort, World } from "../world.ts";
import { type DestinationFence, fenceOf } from "./destinations.ts";
import { type Backends, backendsOfSlices, podAddressesOf } from "./endpoints.ts";
import { grantFaults, serviceNamespace } from "./grants.ts";
import { serviceProblem, targetPortOf } from "./service.ts";
import type { Kept } from "./terms.ts";

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
export function resolveBackends(world: World, proxy: ObservedProxy, { spec, terms }: Kept): ResolvedBackends {
  const fence = fenceOf(world, terms);
  const { service: reference } = spec.backends;
  if (reference === undefined) return resolveStatic(world, proxy, spec, fence);
  const namespace = serviceNamespace(proxy, spec);
  const source = `Service ${namespace}/${reference.name} ${reference.portName ?? reference.port}`;
  const [denial] = grantFaults(world, proxy, spec);
  if (denial !== undefined) {
    const problem = { reason: "RefNotPermitted", message: formatFinding(denial) };
    return { source, wasSeenToGo: () => true, backends: [], leftOut: [], problem };
  }
  const wasSeenToGo = (backend: Backends[number]): boolean => world.wasSeenToGo(namespace, reference.name, backend);
  const service = world.service(namespace, reference.name);
  const problem = serviceProblem(service, namespace, reference);
  const port = service && targetPortOf(service, reference);
  if (problem !== undefined || port === undefined) {
    // A Service that is there and gives none says so itself.
    const isSeen = service === undefined ? wasSeenToGo : () => true;
    return { source, wasSeenToGo: isSeen, backends: [], leftOut: [], problem };
  }
  const slices = world.slices(namespace, reference.name);
  const where = `Service ${namespace}/${reference.name}`;
  const podsInNamespace = (): ReadonlySet<string> => world.podAddresses(namespace);
  const { fenced, ...sifted } = siftedOf(slices, { service: service!, port, where, fence, podsInNamespace });
  const isSeen = (backend: Backends[number]): boolean => fenced.has(backend.address) || wasSeenToGo(backend);
  return { ...sifted, source, wasSeenToGo: isSeen, problem: undefined };
}

function resolveStatic(
  world: World,
  { namespace }: ObservedProxy,
  { backends }: QuicProxySpec,
  fence: DestinationFence,
): ResolvedBackends {
  const source = "spec.backends.static";
  const pods = world.podAddresses(namespace);
  const { fenced: _, ...sifted } = sift(backends.static ?? [], {
    where: source,
    fence,
    isPod: (address) => pods.has(address),
  });
  return { ...sifted, source, wasSeenToGo: () => true, problem: undefined };
}

interface Wanted {
  readonly service: ObservedService;
  readonly port: ServicePort;
  readonly where: string;
  readonly fence: DestinationFence;
}

interface Sifted extends Pick<ResolvedBackends, "backends" | "leftOut"> {
  /** Addresses that the fence leaves out: they were taken away by who may, and are not missing from a list. */
  readonly fenced: ReadonlySet<string>;
}

interface SiftedBefore extends Wanted {
  readonly sifted: Sifted;
  /** All pods of the namespace, where an endpoint that does not say to be one was looked up among them. */
  readonly pods: ReadonlySet<string> | undefined;
}

/** By the list of slices, which is another one where any of them is. */
const siftedBefore = new WeakMap<readonly ObservedSlice[], SiftedBefore>();

/** Much is decided anew because something else changed, and thousands of endpoints are not looked at for that. */
function siftedOf(
  slices: readonly ObservedSlice[],
  { podsInNamespace, ...wanted }: Wanted & { podsInNamespace(): ReadonlySet<string> },
): Sifted {
  const { service, port, where, fence } = wanted;
  const before = siftedBefore.get(slices);
  const isSame =
    before?.service === service && before.port === port && before.where === where && before.fence === fence;
  if (isSame && (before.pods === undefined || before.pods === podsInNamespace())) return before.sifted;
  const own = podAddressesOf(slices);
  let pods: ReadonlySet<string> | undefined;
  const isPod = (address: string): boolean => {
    if (own.has(address)) return true;
    pods ??= podsInNamespace();
    return pods.has(address);
  };
  const sifted = sift(backendsOfSlices(slices, service, port), { where, fence, isPod });
  siftedBefore.set(slices, { ...wanted, sifted, pods });
  return sifted;
}

interface Sieve {
  readonly where: string;
  readonly fence: DestinationFence;
  isPod(canonicalAddress: string): boolean;
}

function sift(found: Backends, { where, fence, isPod }: Sieve): Sifted {
  const leftOut: string[] = [];
  const fenced = new Set<string>();
  const usable = found.filter(({ address }) => {
    const fault = fence.fault(address, isPod);
    if (fault === undefined) return true;
    leftOut.push(`${address} of ${where} is left out: ${fault}`);
    fenced.add(address);
    return false;
  });
  const sorted = usable.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port));
  if (sorted.length <= BACKENDS_MAX) return { backends: sorted, leftOut: leftOut.sort(), fenced };
  leftOut.unshift(`${where} has ${sorted.length} endpoints, and at most ${BACKENDS_MAX} are used`);
  const kept = new Set([...sorted].sort((a, b) => b.weight - a.weight).slice(0, BACKENDS_MAX));
  return { backends: sorted.filter((backend) => kept.has(backend)), leftOut, fenced };
}
