import type { QuicProxyNodeStatus } from "../../crds/status_schema.ts";
import type { CountersReport } from "../metrics/report.ts";

type Health = NonNullable<CountersReport["health"]>;

/** Bounds of lists and texts in the status of a node. */
export const SHOWN_MAX = 8;
export const TEXT_MAX = 256;

/** No backend has shown that it is well, and some that they are not. */
export function areAllDown({ health }: CountersReport): boolean {
  return health !== undefined && health.healthy === 0 && health.onTrial + health.unhealthy > 0;
}

/** What is said of a node where all of them are. */
export function downText({ health }: CountersReport): string {
  if (health === undefined) return "";
  const { onTrial, unhealthy } = health;
  const count = onTrial + unhealthy;
  const tried = onTrial === 0 ? "" : `, ${onTrial} of them on trial`;
  const all = count === 1 ? "the one backend is down" : `all ${count} backends are down${tried}`;
  return `${all}, new flows are spread over them all the same; ${reasonsOf(health)[0]}`.slice(0, TEXT_MAX);
}

/** How this node finds the backends; nothing where none is checked. */
export function backendHealthOf({ health }: CountersReport): Pick<QuicProxyNodeStatus, "backendHealth"> {
  if (health === undefined) return {};
  const { healthy, onTrial, unhealthy } = health;
  const reasons = reasonsOf(health).map((text) => text.slice(0, TEXT_MAX));
  return { backendHealth: { healthy, onTrial, unhealthy, ...(reasons.length === 0 ? {} : { reasons }) } };
}

function reasonsOf({ backends }: Health): string[] {
  const unwell = Object.entries(backends).filter(([, { state }]) => state !== "Healthy");
  return unwell.slice(0, SHOWN_MAX).map(([name, { reason, evidence }]) => {
    return `${name} (${reason === "" ? "on trial" : reason}): ${evidence}`;
  });
}
