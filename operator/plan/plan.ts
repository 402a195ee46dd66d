import { RESOURCES, type Resource } from "../../kube/resources.ts";
import { childName, NODE_LABELS_FINALIZER, nodeLabel } from "../names.ts";
import type { ObservedNodeObject, ObservedProxy, World } from "../world.ts";
import { planRevision, planTerms } from "./accepted.ts";
import { planBackendObjects } from "./backend_objects.ts";
import { planDaemonSet, rememberedRestart } from "./daemon_set.ts";
import type { Decision } from "./decide.ts";
import type { DesiredObject, PodOptions } from "./desired.ts";
import { type Fresh, planNodeObjects } from "./node_objects.ts";
import { type NodeLabelChange, withoutLabel } from "./nodes.ts";
import { planRbac } from "./rbac.ts";
import { type NodeReport, workersRestart } from "./workers_restart.ts";

export interface SurplusObject {
  readonly resource: Resource;
  readonly name: string;
}

/** Everything that is to be so for one QuicProxy. What is not named here is left alone. */
export interface Plan {
  /**
   * In the order in which they are applied: rights and contents before the pods that need them, chunks before the index
   * that names them. Within one stage the order does not matter.
   */
  readonly stages: readonly (readonly DesiredObject[])[];
  /** What goes, once everything else is applied. */
  readonly surplus: readonly SurplusObject[];
  readonly labels: readonly NodeLabelChange[];
  /** Whether the QuicProxy needs our finalizer. It is removed only after the labels are. */
  readonly finalizer: boolean;
}

/**
 * What is to be so for one QuicProxy. Pure, and idempotent: planned again on a world in which it was applied, it asks
 * for no change. Where a QuicProxy's spec is not accepted the last accepted one is planned, and follows its endpoints and
 * nodes; where none ever was, what was applied before stays as it is. In steps, between which whoever plans may do
 * something else: the world is looked at in the first only.
 */
export function* planProxy(
  world: World,
  proxy: ObservedProxy,
  decision: Decision | undefined,
  { options, fresh }: { readonly options: PodOptions; readonly fresh: Fresh },
): Generator<undefined, Plan> {
  if (proxy.deleting) return planDeletion(world, proxy);
  if (decision?.inForce === undefined) return keep(proxy);
  const { inForce, refusal } = decision;
  const observed = world.nodeObjects(proxy.namespace, proxy.name);
  const before = { objects: world.backendObjects(proxy.namespace, proxy.name), nodes: observed };
  const revisions = world.revisions(proxy.namespace, proxy.name);
  const daemonSet = world.child(RESOURCES.daemonSets.kind, proxy.namespace, childName(proxy.name));
  const backends = yield* planBackendObjects(proxy, inForce.resolved, before, fresh.nowMs);
  const nodeObjects = yield* planNodeObjects(proxy, inForce, observed, fresh);
  const reports = reportsOf(nodeObjects.desired, observed);
  const restartedFor = workersRestart(rememberedRestart(daemonSet), inForce.spec.dataPlane.workers, reports);
  const names = nodeObjects.desired.map(({ object }) => object.metadata.name);
  const revision =
    refusal === undefined ? planRevision(proxy, inForce, revisions) : planTerms(proxy, inForce.terms, revisions);
  return {
    stages: [
      revision === undefined ? [] : [revision.desired],
      ...planRbac(proxy, names),
      backends.chunks,
      [backends.index],
      nodeObjects.desired,
      [planDaemonSet(proxy, { ...inForce, restartedFor }, options)],
    ],
    surplus: [
      ...nodeObjects.surplus.map((name) => ({ resource: RESOURCES.quicProxyNodes, name })),
      ...backends.surplus.map((name) => ({ resource: RESOURCES.quicProxyBackends, name })),
      ...(revision?.surplus ?? []).map((name) => ({ resource: RESOURCES.controllerRevisions, name })),
    ],
    labels: inForce.nodes.labels,
    finalizer: inForce.spec.scaling?.nodes !== undefined,
  };
}

/** What nodes say, beside the generation that their objects are to have. */
function reportsOf(desired: readonly DesiredObject[], observed: readonly ObservedNodeObject[]): NodeReport[] {
  const statuses = new Map(observed.map(({ name, status }) => [name, status]));
  return desired.map(({ object }) => {
    const { spec } = object as unknown as { spec: { generation: number } };
    return { generation: spec.generation, status: statuses.get(object.metadata.name) ?? {} };
  });
}

/** Everything namespaced is owned by the QuicProxy and goes with it; only labels on nodes are not. */
function planDeletion(world: World, { namespace, name }: ObservedProxy): Plan {
  const labels = withoutLabel(world.nodes, nodeLabel(namespace, name));
  return { stages: [], surplus: [], labels, finalizer: false };
}

function keep({ finalizers }: ObservedProxy): Plan {
  return { stages: [], surplus: [], labels: [], finalizer: finalizers.includes(NODE_LABELS_FINALIZER) };
}
