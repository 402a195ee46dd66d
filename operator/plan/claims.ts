import { listenerRules } from "../../crds/rules_listeners.ts";
import type { QuicProxySpec } from "../../crds/schema.ts";
import { listed } from "../listing.ts";
import type { Refusal } from "../parse.ts";

/** A QuicProxy and the nodes on which its ports are its own. */
export interface Claim {
  readonly key: string;
  readonly spec: Pick<QuicProxySpec, "listeners">;
  readonly nodes: ReadonlySet<string>;
}

interface PortConflict {
  readonly nodes: readonly string[];
  readonly refusal: Refusal;
}

const SHOWN_NODES_MAX = 5;

/**
 * The claims that a claim cannot stand beside. Two processes on the network of one host share its ports. Forwarding does not
 * depend on the port of metrics, so that is nobody's claim: the node says where it could not have it.
 */
export function portConflicts(claim: Claim, others: readonly Claim[]): PortConflict[] {
  return others.flatMap((other) => {
    if (other.key === claim.key) return [];
    const nodes = [...claim.nodes].filter((node) => other.nodes.has(node)).sort();
    const index = nodes.length === 0 ? undefined : firstOverlap(claim.spec.listeners, other.spec.listeners);
    if (index === undefined) return [];
    const port = `spec.listeners[${index}]: UDP port ${claim.spec.listeners[index]?.port}`;
    return [{ nodes, refusal: refusalOf(port, other.key, nodes) }];
  });
}

function refusalOf(port: string, holder: string, nodes: readonly string[]): Refusal {
  const message =
    `${port} is that of QuicProxy ${holder} on ${nodes.length === 1 ? "node" : "nodes"} ` +
    `${listed(nodes, SHOWN_NODES_MAX)}; choose another port, or select other nodes`;
  return { reason: "PortConflict", message };
}

interface Reach {
  readonly port: number;
  readonly address?: string | undefined;
}

/** Index of the first of `own` that overlaps one of `other`; each list is free of overlaps in itself. */
function firstOverlap(own: readonly Reach[], other: readonly Reach[]): number | undefined {
  const findings = listenerRules({ listeners: [...other, ...own] });
  const index = findings.map(({ path }) => Number(path[1]) - other.length).find((at) => at >= 0);
  return index;
}
