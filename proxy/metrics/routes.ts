import { answerCheck, answerJson, answerText, type HttpAnswer, type Routes } from "../../process/http_server.ts";
import type { HealthView } from "./health_socket.ts";
import { Metrics } from "./registry.ts";
import type { CountersReport } from "./report.ts";

/** What the HTTP endpoint asks the proxy. */
export interface ProxyView extends HealthView {
  report(): CountersReport;
}

/** The paths that the proxy serves. `view`: undefined until the data plane runs. */
export function proxyRoutes(view: () => ProxyView | undefined): Routes {
  const metrics = new Metrics();
  const whenStarted =
    (route: (view: ProxyView) => HttpAnswer | Promise<HttpAnswer>): (() => HttpAnswer | Promise<HttpAnswer>) =>
    () => {
      const started = view();
      return started ? route(started) : answerText(503, "the proxy is starting");
    };
  return {
    "/metrics": whenStarted(async (proxy) => ({
      status: 200,
      contentType: metrics.contentType,
      body: await metrics.render(proxy.report()),
    })),
    "/healthz": whenStarted((proxy) => answerCheck(proxy.findUnhealthy(), 500)),
    "/readyz": whenStarted((proxy) => answerCheck(proxy.findNotReady(), 503)),
    "/counters": whenStarted((proxy) => answerJson(proxy.report())),
  };
}
