import { nodeObjectName } from "../../crds/node_schema.ts";
import type { QuicProxySpec } from "../../crds/schema.ts";
import { nodeLabel } from "../names.ts";
import type { ObservedNode, ObservedTaint } from "../world.ts";

type Toleration = NonNullable<NonNullable<QuicProxySpec["nodes"]>["tolerations"]>[number];

/** Taints that the DaemonSet controller lets every pod of a DaemonSet on hostNetwork tolerate. */
const TOLERATED_BY_DAEMON_SETS: ReadonlySet<string> = new Set(
  [
    "not-ready",
    "unreachable",
    "disk-pressure",
    "memory-pressure",
    "pid-pressure",
    "unschedulable",
    "network-unavailable",
  ].map((name) => `node.kubernetes.io/${name}`),
);

export interface ChosenNodes {
  /** Names of the nodes that run the proxy, sorted. */
  readonly chosen: readonly string[];
  /** How many nodes could. */
  readonly eligible: number;
  /** Label changes that make the DaemonSet follow. */
  readonly labels: readonly NodeLabelChange[];
}

/** The DaemonSet keeps away from nodes with this label, and goes to others without one: then its template never changes. */
export interface NodeLabelChange {
  readonly node: string;
  readonly label: string;
  readonly excluded: boolean;
}

export const EXCLUDED = "false";

interface Subject {
  readonly namespace: string;
  readonly name: string;
  /** Nodes on which a pod of it is. */
  readonly podNodes: ReadonlySet<string>;
}

/**
 * The nodes of a QuicProxy. With scaling.nodes set, nodes that have the proxy stay before others come, as long as they
 * are ready. Pure.
 */
export function chooseNodes(nodes: readonly ObservedNode[], proxy: Subject, spec: QuicProxySpec): ChosenNodes {
  const label = nodeLabel(proxy.namespace, proxy.name);
  const eligible = nodes.filter((node) => isEligible(node, proxy, spec));
  const rank = ({ name, ready }: ObservedNode): number => (ready ? 0 : 2) + (proxy.podNodes.has(name) ? 0 : 1);
  const ranked = [...eligible].sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
  const count = spec.scaling?.nodes ?? ranked.length;
  const excluded = new Set(ranked.slice(count).map(({ name }) => name));
  const chosen = ranked.slice(0, count).map(({ name }) => name);
  return { chosen: chosen.sort(), eligible: eligible.length, labels: labelChanges(nodes, label, excluded) };
}

/** Label changes that leave no trace of a QuicProxy. */
export function withoutLabel(nodes: readonly ObservedNode[], label: string): NodeLabelChange[] {
  return labelChanges(nodes, label, new Set());
}

function labelChanges(nodes: readonly ObservedNode[], label: string, excluded: ReadonlySet<string>): NodeLabelChange[] {
  return nodes.flatMap(({ name, labels }) => {
    const wanted = excluded.has(name) ? EXCLUDED : undefined;
    return labels[label] === wanted ? [] : [{ node: name, label, excluded: excluded.has(name) }];
  });
}

/** A taint that came after the pod drives it away only with the effect NoExecute, and then not at once. */
function isEligible(node: ObservedNode, { name, podNodes }: Subject, { nodes }: QuicProxySpec): boolean {
  if (!node.runsImage) return false;
  const selector = Object.entries(nodes?.selector ?? {});
  if (!selector.every(([key, value]) => node.labels[key] === value)) return false;
  if (nodeObjectName(name, node.name) === undefined) return false;
  if (podNodes.has(node.name)) return true;
  return node.taints.every((taint) => isTolerated(taint, nodes?.tolerations ?? []));
}

function isTolerated(taint: ObservedTaint, tolerations: readonly Toleration[]): boolean {
  if (taint.effect === "PreferNoSchedule" || TOLERATED_BY_DAEMON_SETS.has(taint.key)) return true;
  return tolerations.some(({ key, operator, value, effect }) => {
    if (effect !== undefined && effect !== taint.effect) return false;
    if (key === undefined) return operator === "Exists";
    return key === taint.key && (operator === "Exists" || (value ?? "") === taint.value);
  });
}
