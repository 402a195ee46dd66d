import type { QuicProxySpec } from "../../crds/schema.ts";
import type { Refusal } from "../parse.ts";
import type { ObservedService, ServicePort } from "../world.ts";

export type ServiceReference = NonNullable<QuicProxySpec["backends"]["service"]>;

/** Why a Service gives no backends, or undefined. */
export function serviceProblem(
  service: ObservedService | undefined,
  namespace: string,
  reference: ServiceReference,
): Refusal | undefined {
  if (service === undefined) {
    const message = `there is no Service ${namespace}/${reference.name}; make it, or correct spec.backends.service.name`;
    return { reason: "ServiceNotFound", message };
  }
  const where = `Service ${namespace}/${service.name}`;
  if (service.type === "ExternalName") {
    const message = `${where} is an ExternalName and has no endpoints; name one with pods`;
    return { reason: "ServiceNotUsable", message };
  }
  if (targetPortOf(service, reference) !== undefined) return undefined;
  const wanted = reference.portName ?? String(reference.port);
  const offered = service.ports
    .map(({ name, port, protocol }) => `${port}/${protocol}${name && ` (${name})`}`)
    .join(", ");
  const message = `${where} has no UDP port ${wanted}; it has ${offered || "none"}; QUIC needs protocol: UDP`;
  return { reason: "ServicePortNotFound", message };
}

/** The port of a Service that a reference means; slices name their ports as the Service does. */
export function targetPortOf(
  { ports }: ObservedService,
  { port, portName }: ServiceReference,
): ServicePort | undefined {
  return ports.find(
    (each) => each.protocol === "UDP" && (portName === undefined ? each.port === port : each.name === portName),
  );
}
