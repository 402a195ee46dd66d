import type { Backend } from "../../crds/backends_schema.ts";
import { backendRules } from "../../crds/rules_backends.ts";
import { clusterDestinationFault } from "../../crds/rules_destinations.ts";
import type { QuicProxySpec } from "../../crds/schema.ts";

export interface UsableBackends {
  readonly backends: readonly Backend[];
  /** What is left out of them, and why. */
  readonly leftOut: readonly string[];
}

/**
 * The backends that this host can use beside these settings. One that it cannot keeps no other from being used: it is left
 * out, or, where only its server ID is wrong, routed to without that. `local`: addresses of this host.
 */
export function usableBackends(
  backends: readonly Backend[],
  { listeners, routing }: Pick<QuicProxySpec, "listeners" | "routing">,
  local: readonly string[],
): UsableBackends {
  const spec = { listeners, routing, backends: { static: [...backends] } };
  const destinations = backends.flatMap(({ address }, index) => {
    const what = clusterDestinationFault(address);
    return what === undefined ? [] : [{ path: ["backends", "static", index], what }];
  });
  const findings = [...destinations, ...backendRules(spec, local)];
  const wrong = new Set<number>();
  const withoutId = new Set<number>();
  const said = new Map<number, string>();
  for (const { path, what } of findings) {
    const index = Number(path[2]);
    (path[3] === "serverId" ? withoutId : wrong).add(index);
    const { address, port } = backends[index]!;
    if (!said.has(index)) said.set(index, `backend ${address} port ${port}: ${what}`);
  }
  const usable = backends.flatMap((backend, index) => {
    if (wrong.has(index)) return [];
    if (!withoutId.has(index)) return [backend];
    const { serverId: _, ...others } = backend;
    return [others];
  });
  return { backends: usable, leftOut: [...said.values()] };
}
