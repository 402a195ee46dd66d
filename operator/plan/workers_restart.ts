import type { QuicProxySpec } from "../../crds/schema.ts";
import type { QuicProxyNodeStatus } from "../../crds/status_schema.ts";

/*
 * More workers come without a restart as long as the flow tables of all together take at most twice the flow memory
 * (docs/adr/0014). Where that ends depends on how many a proxy had before, so the node is who knows: it says so, and its pod
 * rolls. The pod template remembers for what, because a pod that has started anew says nothing any more.
 */

/** As the proxy writes it: WORKERS_NEED_RESTART of the native side. */
const REASON = "WorkersNeedRestart";

export interface NodeReport {
  /** Of its QuicProxyNode as it should be. */
  readonly generation: number;
  readonly status: QuicProxyNodeStatus;
}

/** What the pod template should remember: what it does already, or a roll that a node asks for by now. */
export function workersRestart(
  remembered: string | undefined,
  { min, max }: QuicProxySpec["dataPlane"]["workers"],
  nodes: readonly NodeReport[],
): string | undefined {
  const asking = nodes.filter(({ generation, status }) => {
    return status.reason === REASON && status.refusedGeneration === generation;
  });
  if (asking.length === 0) return remembered;
  const [before, until] = (remembered ?? "").split("/");
  const workers = `${min}-${max}`;
  // While pods roll for it one after the other, those whose turn has not come go on asking.
  const isRolling =
    before === workers && asking.every(({ status }) => (status.appliedGeneration ?? 0) <= Number(until));
  return isRolling ? remembered : `${workers}/${Math.max(...nodes.map(({ generation }) => generation))}`;
}
