import type { Registry } from "prom-client";
import { answerCheck, type Routes } from "../process/http_server.ts";

export interface Health {
  /** Why the process should be restarted, or undefined. */
  unhealthy(): string | undefined;
  /** Why it cannot do its work now, or undefined. */
  notReady(): string | undefined;
  /** Why it is not the one that works, or undefined. */
  notLeading(): string | undefined;
}

/** The paths that the operator serves. */
export function operatorRoutes(registry: Registry, health: Health): Routes {
  return {
    "/metrics": async () => ({ status: 200, contentType: registry.contentType, body: await registry.metrics() }),
    "/healthz": () => answerCheck(health.unhealthy(), 500),
    "/readyz": () => answerCheck(health.notReady(), 503),
    "/leading": () => answerCheck(health.notLeading() ?? health.notReady(), 503),
  };
}
