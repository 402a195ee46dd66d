import { listenerRules } from "../../crds/rules_listeners.ts";
import type { QuicProxySpec } from "../../crds/schema.ts";
import type { Refusal } from "../parse.ts";

/** A QuicProxy and the nodes on which its ports are its own. */
export interface Claim {
  readonly key: string;
  readonly spec: Pick<QuicProxySpec, "listeners" | "metrics">;
  readonly nodes: ReadonlySet<string>;
}

interface PortConflict {
  readonly nodes: readonly string[];
  readonly refusal: Refusal;
}

const SHOWN_NODES_MAX = 5;

/** The claims that a claim cannot stand beside. Two processes on the network of one host share its ports. */
export function portConflicts(claim: Claim, others: readonly Claim[]): PortConflict[] {
  return others.flatMap((other) => {
    if (other.key === claim.key) return [];
    const nodes = [...claim.nodes].filter((node) => other.nodes.has(node)).sort();
    const port = nodes.length === 0 ? undefined : sharedPort(claim.spec, other.spec);
    return port === undefined ? [] : [{ nodes, refusal: refusalOf(port, other.key, nodes) }];
  });
}

function refusalOf(port: SharedPort, holder: string, nodes: readonly string[]): Refusal {
  const shown = nodes.slice(0, SHOWN_NODES_MAX).join(", ");
  const more = nodes.length > SHOWN_NODES_MAX ? ` and ${nodes.length - SHOWN_NODES_MAX} more` : "";
  const message =
    `${port.what} is that of QuicProxy ${holder} on ${nodes.length === 1 ? "node" : "nodes"} ` +
    `${shown}${more}; ${port.remedy}, or select other nodes`;
  return { reason: "PortConflict", message };
}

interface SharedPort {
  readonly what: string;
  readonly remedy: string;
}

function sharedPort(own: Claim["spec"], other: Claim["spec"]): SharedPort | undefined {
  const index = firstOverlap(own.listeners, other.listeners);
  if (index !== undefined) {
    const what = `spec.listeners[${index}]: UDP port ${own.listeners[index]?.port}`;
    return { what, remedy: "choose another port" };
  }
  if (own.metrics.port === 0 || other.metrics.port === 0) return undefined;
  if (firstOverlap([own.metrics], [other.metrics]) === undefined) return undefined;
  const what = `spec.metrics.port: TCP port ${own.metrics.port} for metrics and health`;
  return { what, remedy: "set spec.metrics.port to another" };
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
