import type { NativeStatus } from "../apply/addon.ts";
import { countServingBackends, findUnreachable } from "../apply/facts.ts";
import type { WorkerCounters } from "../counters/read.ts";
import type { ProxyState } from "./report.ts";

/** How long a worker may take to turn to a new contract; it does so after the batch in hand. */
const GENERATION_GRACE_MS = 5000;

/** Why the process should be restarted, or undefined: every worker runs on the present generation. */
export function findUnhealthy(
  state: ProxyState,
  status: NativeStatus,
  workers: readonly WorkerCounters[],
  nowMs: number,
): string | undefined {
  if (nowMs - state.appliedAtMs < GENERATION_GRACE_MS) return undefined;
  const late = workers.slice(0, status.workers).findIndex(({ gauges }) => gauges.generation !== status.generation);
  if (late === -1) return undefined;
  const generation = workers[late]?.gauges.generation;
  return `worker ${late} runs on generation ${generation}, the contract in force is generation ${status.generation}`;
}

/**
 * Why no new traffic should come here, or undefined: the proxy listens, has a backend that this host has a way to, and
 * is not stopping.
 */
export function findNotReady(state: ProxyState, status: NativeStatus): string | undefined {
  if (state.stopping) return "the proxy is stopping";
  if (!status.endpoints.some((endpoint) => endpoint.skipped === undefined)) return "no endpoint is listening";
  const serving = countServingBackends(status);
  if (serving === 0) return "no backend with a weight above zero";
  if (findUnreachable(status).length === serving) return "no route or no local address toward any backend";
  return undefined;
}
