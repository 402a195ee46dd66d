import { durationMs } from "../../crds/quantities.ts";
import { RESOURCES } from "../../kube/resources.ts";
import { childName, TEMPLATE_ANNOTATION } from "../names.ts";
import type { InForce } from "../plan/decide.ts";
import type { ObservedNodeObject, ObservedPod, ObservedProxy, World } from "../world.ts";
import { accountOf } from "./account.ts";
import type { RolloutNode } from "./assess.ts";
import { neighbourInTransit } from "./neighbours.ts";
import { recordOf } from "./record.ts";
import type { RolloutInputs, RolloutLimits } from "./step.ts";
import { presentTemplate } from "./template.ts";

/** What a step of a rollout is decided on, as the world has it. Pure. */
export function rolloutInputs(world: World, proxy: ObservedProxy, inForce: InForce, nowMs: number): RolloutInputs {
  const { namespace, name } = proxy;
  const alive = new Map(world.nodes.map((node) => [node.name, node.ready]));
  const pods = podsByNode(world.pods(namespace, name));
  const chosen = new Set(inForce.nodes.chosen);
  // A node that is gone has neither a kubelet nor a pod to wait for.
  const objects = world
    .nodeObjects(namespace, name)
    .filter(({ nodeName }) => chosen.has(nodeName) && alive.has(nodeName));
  const template = presentTemplate(world.child(RESOURCES.daemonSets.kind, namespace, childName(name)));
  return {
    target: template?.mark === undefined ? undefined : { template: template.mark, account: accountOf(world, proxy) },
    obstacle: template !== undefined && template.mark === undefined ? unmarked(name) : undefined,
    nodes: objects.map((object) => nodeOf(object, { alive: alive.get(object.nodeName) === true, pods })),
    limits: limitsOf(inForce),
    expectsReady: inForce.resolved.backends.some(({ weight }) => weight > 0),
    nowMs,
    busy: (nodeName) => neighbourInTransit(world, proxy, nodeName, nowMs),
  };
}

function nodeOf(
  object: ObservedNodeObject,
  { alive, pods }: { readonly alive: boolean; readonly pods: ReadonlyMap<string, ObservedPod> },
): RolloutNode {
  const { name: objectName, nodeName, drain, status, generation, metadata } = object;
  return {
    nodeName,
    objectName,
    alive,
    pod: pods.get(nodeName),
    record: recordOf(metadata),
    drain,
    status,
    generation,
  };
}

/** One for each node: one that stays before one that ends, the youngest before others. */
function podsByNode(pods: readonly ObservedPod[]): ReadonlyMap<string, ObservedPod> {
  const rank = (pod: ObservedPod): number => (pod.terminating ? 0 : 1);
  const sorted = [...pods].sort((a, b) => rank(a) - rank(b) || a.createdAtMs - b.createdAtMs);
  return new Map(sorted.map((pod) => [pod.targetNode, pod]));
}

function unmarked(name: string): string {
  return (
    `the template of DaemonSet ${childName(name)} has no annotation ${TEMPLATE_ANNOTATION}; something takes it away, perhaps ` +
    "an admission webhook: let it stay, no pod is replaced without it"
  );
}

function limitsOf({ spec: { rollout } }: InForce): RolloutLimits {
  const { maxUnavailable = 1, drain = "0s", paused = false } = rollout ?? {};
  return { maxUnavailable, drainMs: durationMs(drain) ?? 0, paused };
}
