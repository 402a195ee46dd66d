import type { BackendMeasure, ProxyMeasure } from "../../host/reading/proxy_measure.ts";
import type { BackendCounters, CounterTotals } from "../counters/read.ts";
import type { CountersReport } from "./report.ts";

/**
 * What a running proxy counted between two reports, as the doctor takes it. undefined: it was started anew in between, so
 * that there is no difference to be had. Pure.
 */
export function proxyMeasure(before: CountersReport, after: CountersReport): ProxyMeasure | undefined {
  if (after.uptimeMs < before.uptimeMs) return undefined;
  const moved = (name: keyof CounterTotals): number => after.totals[name] - before.totals[name];
  return {
    received: moved("receive_datagrams"),
    forwarded: moved("forward_sent"),
    ringFull: moved("hand_off_dropped_ring_full"),
    refused: {
      budget: moved("route_dropped_budget"),
      tableFull: moved("route_dropped_table_full"),
      noPort: moved("route_dropped_no_socket"),
      noBackend: moved("route_dropped_no_backend"),
    },
    backends: after.backends.map((backend) => backendMeasure(before.backends, backend)),
  };
}

/** One that came within the window began at 0. */
function backendMeasure(before: readonly BackendCounters[], now: BackendCounters): BackendMeasure {
  const old = before.find(({ address, port }) => address === now.address && port === now.port);
  const moved = (cell: "forwarded" | "returned" | "refused"): number => Math.max(0, now[cell] - (old?.[cell] ?? 0));
  const name = now.address.includes(":") ? `[${now.address}]:${now.port}` : `${now.address}:${now.port}`;
  return { name, sent: moved("forwarded"), answered: moved("returned"), refused: moved("refused") };
}
