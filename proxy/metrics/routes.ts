import { answerCheck, answerJson, type Routes } from "../../process/http_server.ts";
import type { HealthView } from "./health_socket.ts";
import { Metrics } from "./registry.ts";
import type { CountersReport } from "./report.ts";

/** What the HTTP endpoint asks the proxy. */
export interface ProxyView extends HealthView {
  report(): CountersReport;
}

/** The paths that the proxy serves. */
export function proxyRoutes(view: () => ProxyView): Routes {
  const metrics = new Metrics();
  return {
    "/metrics": async () => ({
      status: 200,
      contentType: metrics.contentType,
      body: await metrics.render(view().report()),
    }),
    "/healthz": () => answerCheck(view().findUnhealthy(), 500),
    "/readyz": () => answerCheck(view().findNotReady(), 503),
    "/counters": () => answerJson(view().report()),
  };
}
