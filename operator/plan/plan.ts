import { NODE_LABELS_FINALIZER, nodeLabel } from "../names.ts";
import type { ObservedProxy, World } from "../world.ts";
import { planDaemonSet } from "./daemon_set.ts";
import type { Decision } from "./decide.ts";
import type { DesiredObject, PodOptions } from "./desired.ts";
import { type Fresh, planNodeObjects } from "./node_objects.ts";
import { type NodeLabelChange, withoutLabel } from "./nodes.ts";
import { planRbac } from "./rbac.ts";

/** Everything that is to be so for one QuicProxy. What is not named here is left alone. */
export interface Plan {
  /** In the order in which they are applied: rights and contents before the pods that need them. */
  readonly desired: readonly DesiredObject[];
  /** Names of QuicProxyNodes that go. */
  readonly surplusNodeObjects: readonly string[];
  readonly labels: readonly NodeLabelChange[];
  /** Whether the QuicProxy needs our finalizer. It is removed only after the labels are. */
  readonly finalizer: boolean;
}

/**
 * What is to be so for one QuicProxy. Pure, and idempotent: planned again on a world in which it was applied, it asks
 * for no change. A QuicProxy that is not accepted gets an empty plan: what was applied before stays as it is.
 */
export function planProxy(
  world: World,
  proxy: ObservedProxy,
  decision: Decision | undefined,
  { options, fresh }: { readonly options: PodOptions; readonly fresh: Fresh },
): Plan {
  if (proxy.deleting) return planDeletion(world, proxy);
  if (decision === undefined || !decision.ok) return keep(proxy);
  const observed = world.nodeObjects(proxy.namespace, proxy.name);
  const nodeObjects = planNodeObjects(proxy, decision, observed, fresh);
  const names = nodeObjects.desired.map(({ object }) => object.metadata.name);
  const daemonSet = planDaemonSet(proxy, decision.spec, options);
  return {
    desired: [...planRbac(proxy, names), ...nodeObjects.desired, daemonSet],
    surplusNodeObjects: nodeObjects.surplus,
    labels: decision.nodes.labels,
    finalizer: decision.spec.scaling?.nodes !== undefined,
  };
}

/** Everything namespaced is owned by the QuicProxy and goes with it; only labels on nodes are not. */
function planDeletion(world: World, { namespace, name }: ObservedProxy): Plan {
  const labels = withoutLabel(world.nodes, nodeLabel(namespace, name));
  return { desired: [], surplusNodeObjects: [], labels, finalizer: false };
}

function keep({ finalizers }: ObservedProxy): Plan {
  return { desired: [], surplusNodeObjects: [], labels: [], finalizer: finalizers.includes(NODE_LABELS_FINALIZER) };
}
