import type { RuleFinding } from "../../crds/rule_finding.ts";
import type { QuicProxySpec } from "../../crds/schema.ts";
import type { ObservedGrant, ObservedProxy, World } from "../world.ts";

const OWN_GROUP = "quicproxy.io";

/** The namespace of the Service that a spec names. */
export function serviceNamespace({ namespace }: Pick<ObservedProxy, "namespace">, spec: QuicProxySpec): string {
  return spec.backends.service?.namespace ?? namespace;
}

/**
 * Why a QuicProxy may not use the Service of another namespace: there has to be a ReferenceGrant in that namespace. Says
 * nothing of whether there is such a Service, which is not for everybody to know.
 */
export function grantFaults(
  world: Pick<World, "grants">,
  proxy: Pick<ObservedProxy, "namespace">,
  spec: QuicProxySpec,
): RuleFinding[] {
  const { service } = spec.backends;
  const namespace = serviceNamespace(proxy, spec);
  if (service === undefined || namespace === proxy.namespace) return [];
  const grants = world.grants(namespace);
  if (grants?.some((grant) => allows(grant, proxy.namespace, service.name))) return [];
  const lack =
    grants === undefined
      ? "the operator finds no kind ReferenceGrant of gateway.networking.k8s.io: its CRD is not installed, or the operator " +
        "watches one namespace only"
      : `no ReferenceGrant in ${namespace} lets QuicProxies of ${proxy.namespace} use it`;
  const what = `names Service ${service.name} of namespace ${namespace}, and ${lack}`;
  const allowed =
    `namespace ${proxy.namespace}, or a ReferenceGrant in ${namespace} with from: [{group: ${OWN_GROUP}, kind: QuicProxy, ` +
    `namespace: ${proxy.namespace}}] and to: [{group: "", kind: Service, name: ${service.name}}]`;
  return [{ path: ["backends", "service", "namespace"], what, allowed }];
}

function allows({ from, to }: ObservedGrant, namespace: string, service: string): boolean {
  const isFrom = from.some(
    (each) => each.group === OWN_GROUP && each.kind === "QuicProxy" && each.namespace === namespace,
  );
  const isTo = to.some(
    ({ group, kind, name }) => group === "" && kind === "Service" && (name === undefined || name === service),
  );
  return isFrom && isTo;
}
