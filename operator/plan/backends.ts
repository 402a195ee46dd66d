import type { QuicProxySpec } from "../../crds/schema.ts";
import type { Refusal } from "../parse.ts";
import type { ObservedService, ObservedSlice, ServicePort, World } from "../world.ts";

type StaticBackends = NonNullable<QuicProxySpec["backends"]["static"]>;
type ServiceReference = NonNullable<QuicProxySpec["backends"]["service"]>;

export type ResolvedBackends =
  | { readonly ok: true; readonly backends: StaticBackends; readonly observed: boolean }
  | { readonly ok: false; readonly refusal: Refusal };

const BACKENDS_MAX = 16_384;

/**
 * The addresses behind a spec, sorted. `observed`: whether what is missing now was seen to go. Endpoints that are
 * terminating or not ready get weight 0: they keep their flows and get no new one (a QUIC connection cannot move to
 * another server anyway).
 */
export function resolveBackends(world: World, namespace: string, { backends }: QuicProxySpec): ResolvedBackends {
  if (backends.static !== undefined) return { ok: true, backends: sortBackends(backends.static), observed: true };
  if (backends.service === undefined) return refuse("InvalidSpec", "spec.backends: names no backends");
  const reference = backends.service;
  const service = world.service(namespace, reference.name);
  const problem = serviceProblem(service, namespace, reference);
  if (service === undefined || problem !== undefined)
    return { ok: false, refusal: problem ?? missing(namespace, reference) };
  const slices = world.slices(namespace, reference.name);
  const weights = weightsOf(slices, service, portOf(service, reference));
  if (weights.size > BACKENDS_MAX) {
    return refuse(
      "TooManyBackends",
      `Service ${namespace}/${service.name} has ${weights.size} endpoints, at most ${BACKENDS_MAX}`,
    );
  }
  const observed = world.sliceOrigin(namespace, reference.name) === "watch";
  return { ok: true, backends: sortBackends([...weights.values()]), observed };
}

function missing(namespace: string, { name }: ServiceReference): Refusal {
  const message = `there is no Service ${namespace}/${name}; make it, or correct spec.backends.service.name`;
  return { reason: "ServiceNotFound", message };
}

function serviceProblem(
  service: ObservedService | undefined,
  namespace: string,
  reference: ServiceReference,
): Refusal | undefined {
  if (service === undefined) return missing(namespace, reference);
  const where = `Service ${namespace}/${service.name}`;
  if (service.type === "ExternalName") {
    return {
      reason: "ServiceNotUsable",
      message: `${where} is an ExternalName and has no endpoints; name one with pods`,
    };
  }
  if (portOf(service, reference) !== undefined) return undefined;
  const wanted = reference.portName ?? String(reference.port);
  const offered = service.ports
    .map(({ name, port, protocol }) => `${port}/${protocol}${name && ` (${name})`}`)
    .join(", ");
  const message = `${where} has no UDP port ${wanted}; it has ${offered || "none"}; QUIC needs protocol: UDP`;
  return { reason: "ServicePortNotFound", message };
}

function portOf({ ports }: ObservedService, { port, portName }: ServiceReference): ServicePort | undefined {
  return ports.find(
    (each) => each.protocol === "UDP" && (portName === undefined ? each.port === port : each.name === portName),
  );
}

/** Backends by address and port. While the API server moves an endpoint between slices, it is in both. */
function weightsOf(
  slices: readonly ObservedSlice[],
  { family }: ObservedService,
  wanted: ServicePort | undefined,
): Map<string, StaticBackends[number]> {
  const byAddress = new Map<string, StaticBackends[number]>();
  for (const backend of slices.flatMap((slice) => backendsOf(slice, family, wanted))) {
    const key = `${backend.address} ${backend.port}`;
    const before = byAddress.get(key);
    if (before === undefined || before.weight < backend.weight) byAddress.set(key, backend);
  }
  return byAddress;
}

function backendsOf(
  slice: ObservedSlice,
  family: ObservedService["family"],
  wanted: ServicePort | undefined,
): StaticBackends {
  if (family !== undefined && slice.family !== family) return [];
  const target = slice.ports.find(({ name, protocol }) => protocol === "UDP" && name === wanted?.name);
  if (target === undefined) return [];
  return slice.endpoints.map(({ address, ready, terminating }) => {
    return { address, port: target.port, weight: ready && !terminating ? 1 : 0 };
  });
}

function sortBackends(backends: StaticBackends): StaticBackends {
  return [...backends].sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port));
}

function refuse(reason: string, message: string): ResolvedBackends {
  return { ok: false, refusal: { reason, message } };
}
