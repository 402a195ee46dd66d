import { type Cidr, cidrContains, parseCidr, translatedIpv4 } from "../../crds/cidr.ts";
import type { Destinations } from "../../crds/class_schema.ts";
import { type IpAddress, parseIpAddress } from "../../crds/ip_address.ts";
import { clusterDestinationFault } from "../../crds/rules_destinations.ts";
import { canonicalJson } from "../digest.ts";
import type { ClusterAddresses, World } from "../world.ts";
import type { Terms } from "./terms.ts";

/** Says of addresses whether a QuicProxy may send there. */
export interface DestinationFence {
  /**
   * Why not; undefined: it may. `isPod`: whether an address, as text of RFC 5952, is known for that of a pod of the namespace
   * that the QuicProxy takes its backends from; asked for only where it matters.
   */
  fault(address: string, isPod: (canonicalAddress: string) => boolean): string | undefined;
}

const fences = new WeakMap<ClusterAddresses, Map<string, DestinationFence>>();

/**
 * The fence of a class around the destinations of a QuicProxy; without terms, or destinations in them, that of all
 * QuicProxies of a cluster. The same as long as nothing that it says can have changed. Pure.
 */
export function fenceOf({ addresses }: Pick<World, "addresses">, terms: Terms | undefined): DestinationFence {
  const key = terms?.destinations === undefined ? "" : canonicalJson([terms.className, terms.destinations]);
  const known = fences.get(addresses) ?? new Map<string, DestinationFence>();
  fences.set(addresses, known);
  const fence = known.get(key) ?? fenceAround(addresses, terms);
  known.set(key, fence);
  return fence;
}

function fenceAround(addresses: ClusterAddresses, terms: Terms | undefined): DestinationFence {
  if (terms?.destinations === undefined) return { fault: clusterDestinationFault };
  const { className, destinations } = terms;
  const allowed = rangesOf(destinations.cidrs);
  const { hosts, pods } = guardsOf(destinations, addresses);
  const beyond =
    `neither a pod of the namespace that an EndpointSlice names, nor in destinations.cidrs of QuicProxyClass ${className} ` +
    `(${destinations.cidrs.join(", ") || "none"})`;
  const unless = (address: IpAddress): string | undefined =>
    allowed.some((range) => cidrContains(range, address)) ? undefined : beyond;
  return {
    fault(text, isPod) {
      const address = parseIpAddress(text);
      const always = clusterDestinationFault(text);
      if (address === undefined || always !== undefined) return always;
      const reached = reachedBy(address);
      const guard = findAmong(hosts, reached) ?? (isPod(address.text) ? undefined : findAmong(pods, reached));
      const what = guard?.what ?? translatedFault(reached) ?? (isPod(address.text) ? undefined : unless(address));
      return what && `${text} is ${what}`;
    },
  };
}

/** A translator on the way would send on to the address within. */
function reachedBy(address: IpAddress): IpAddress[] {
  const within = translatedIpv4(address);
  return within === undefined ? [address] : [address, within];
}

function translatedFault([, within]: readonly IpAddress[]): string | undefined {
  const fault = within && clusterDestinationFault(within.text);
  return fault && `translated, and ${fault}`;
}

function findAmong(guards: readonly Guard[], reached: readonly IpAddress[]): Guard | undefined {
  return guards.find((guard) => reached.some((address) => guard.has(address)));
}

interface Guard {
  readonly what: string;
  has(address: IpAddress): boolean;
}

function guardsOf(
  { guarded, podCIDRs }: Destinations,
  { nodes, services, podRanges }: ClusterAddresses,
): { hosts: Guard[]; pods: Guard[] } {
  const ranges = [...podRanges, ...rangesOf(podCIDRs)];
  const node: Guard = { what: "an address of a node", has: ({ text }) => nodes.has(text) };
  const service: Guard = {
    what: "an address of a Service, behind which others may be",
    has: ({ text }) => services.has(text),
  };
  const pod: Guard = {
    what: "an address of pods, and no EndpointSlice of the namespace says that it is one of its own; make a Service for these",
    has: (address) => ranges.some((range) => cidrContains(range, address)),
  };
  return {
    hosts: [...(guarded.includes("Nodes") ? [node] : []), ...(guarded.includes("Services") ? [service] : [])],
    pods: guarded.includes("Pods") ? [pod] : [],
  };
}

function rangesOf(texts: readonly string[]): Cidr[] {
  return texts.flatMap((text) => parseCidr(text) ?? []);
}
