import type { QuicProxySpec } from "../../crds/schema.ts";
import { parseProxy, type Refusal } from "../parse.ts";
import type { ObservedProxy, World } from "../world.ts";
import { type ResolvedBackends, resolveBackends } from "./backends.ts";
import { type Claim, portConflict } from "./conflicts.ts";
import { type ChosenNodes, chooseNodes } from "./nodes.ts";

/** What is to be done about one QuicProxy, or why nothing is. */
export type Decision =
  | {
      readonly ok: true;
      readonly spec: QuicProxySpec;
      readonly warnings: readonly string[];
      readonly backends: Extract<ResolvedBackends, { ok: true }>["backends"];
      /** Whether backends that are missing were seen to go. */
      readonly observed: boolean;
      readonly nodes: ChosenNodes;
    }
  | { readonly ok: false; readonly refusal: Refusal };

/** Decides about every QuicProxy, the oldest first: of two that want one port on one node, the older has it. Pure. */
export function decideAll(world: World): Map<string, Decision> {
  const decisions = new Map<string, Decision>();
  const claims: Claim[] = [];
  for (const proxy of [...world.proxies].sort(byAge)) {
    if (proxy.deleting) continue;
    const decision = decide(world, proxy, claims);
    decisions.set(proxy.key, decision);
    if (decision.ok) claims.push(claimOf(proxy, decision.spec, decision.nodes));
  }
  return decisions;
}

function decide(world: World, proxy: ObservedProxy, older: readonly Claim[]): Decision {
  const parsed = parseProxy(proxy);
  if (!parsed.ok) return parsed;
  const { spec, warnings } = parsed;
  const nodes = chooseNodes(world.nodes, proxy, spec);
  const conflict = portConflict(claimOf(proxy, spec, nodes), older);
  if (conflict !== undefined) return { ok: false, refusal: conflict };
  const resolved = resolveBackends(world, proxy.namespace, spec);
  if (!resolved.ok) return resolved;
  return { ok: true, spec, warnings, nodes, backends: resolved.backends, observed: resolved.observed };
}

function claimOf({ key }: ObservedProxy, spec: QuicProxySpec, { chosen }: ChosenNodes): Claim {
  return { key, spec, nodes: new Set(chosen) };
}

/** Creation times have whole seconds; the name decides between two of the same. */
function byAge(a: ObservedProxy, b: ObservedProxy): number {
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? -1 : 1;
  return a.key < b.key ? -1 : 1;
}
