import { parseIpAddress } from "../../crds/ip_address.ts";
import type { QuicProxySpec } from "../../crds/schema.ts";
import type { ObservedEndpoint, ObservedService, ObservedSlice, ServicePort } from "../world.ts";

export type Backends = NonNullable<QuicProxySpec["backends"]["static"]>;

interface Target {
  readonly endpoint: ObservedEndpoint;
  readonly port: number;
}

/**
 * The endpoints of a Service as backends, each once. Those that are terminating or not ready get weight 0: they keep
 * their flows and get no new one (a QUIC connection cannot move to another server anyway). While none is ready, those
 * that still serve while they terminate stand in, as with kube-proxy (KEP-1669).
 */
export function backendsOfSlices(
  slices: readonly ObservedSlice[],
  { family }: Pick<ObservedService, "family">,
  wanted: ServicePort,
): Backends {
  const targets = slices.flatMap((slice) => targetsOf(slice, family, wanted));
  const isReady = ({ endpoint }: Target): boolean => endpoint.ready && !endpoint.terminating;
  const standsIn = ({ endpoint }: Target): boolean => endpoint.serving && endpoint.terminating;
  const takesNew = targets.some(isReady) ? isReady : standsIn;
  const byAddress = new Map<string, Backends[number]>();
  for (const target of targets) {
    const { address } = target.endpoint;
    const { port } = target;
    const key = `${address} ${port}`;
    // While the API server moves an endpoint between slices, it is in both.
    const weight = Math.max(takesNew(target) ? 1 : 0, byAddress.get(key)?.weight ?? 0);
    byAddress.set(key, { address, port, weight });
  }
  return [...byAddress.values()];
}

function targetsOf(slice: ObservedSlice, family: ObservedService["family"], wanted: ServicePort): Target[] {
  if (family !== undefined && slice.family !== family) return [];
  const target = slice.ports.find(({ name, protocol }) => protocol === "UDP" && name === wanted.name);
  return target === undefined ? [] : slice.endpoints.map((endpoint) => ({ endpoint, port: target.port }));
}

const podsBySlices = new WeakMap<readonly ObservedSlice[], ReadonlySet<string>>();

/** Addresses that slices of one namespace give to pods of it. The same set for the same list of slices. */
export function podAddressesOf(slices: readonly ObservedSlice[]): ReadonlySet<string> {
  const known = podsBySlices.get(slices);
  if (known !== undefined) return known;
  const pods = slices.flatMap(({ endpoints }) => endpoints.filter(({ isPod }) => isPod));
  const addresses = new Set(pods.flatMap(({ address }) => parseIpAddress(address)?.text ?? []));
  podsBySlices.set(slices, addresses);
  return addresses;
}
