import { listenerRules } from "../../crds/rules_listeners.ts";
import type { QuicProxySpec } from "../../crds/schema.ts";
import type { Refusal } from "../parse.ts";

/** A QuicProxy and the nodes on which it wants its ports. */
export interface Claim {
  readonly key: string;
  readonly spec: Pick<QuicProxySpec, "listeners" | "metrics">;
  readonly nodes: ReadonlySet<string>;
}

const SHOWN_NODES_MAX = 5;

/** Why a claim cannot stand beside older ones, or undefined. Two processes on the network of one host share its ports. */
export function portConflict(claim: Claim, older: readonly Claim[]): Refusal | undefined {
  for (const other of older) {
    const shared = [...claim.nodes].filter((node) => other.nodes.has(node)).sort();
    if (shared.length === 0) continue;
    const port = sharedPort(claim.spec, other.spec);
    if (port === undefined) continue;
    const shown = shared.slice(0, SHOWN_NODES_MAX).join(", ");
    const more = shared.length > SHOWN_NODES_MAX ? ` and ${shared.length - SHOWN_NODES_MAX} more` : "";
    const message =
      `${port.what} is that of the older QuicProxy ${other.key} on ${shared.length === 1 ? "node" : "nodes"} ` +
      `${shown}${more}; ${port.remedy}, or select other nodes`;
    return { reason: "PortConflict", message };
  }
  return undefined;
}

function sharedPort(own: Claim["spec"], other: Claim["spec"]): { what: string; remedy: string } | undefined {
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
