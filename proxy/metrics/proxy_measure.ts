import type { BackendMeasure, ProxyMeasure } from "../../host/reading/proxy_measure.ts";
import { formatAddress } from "../../process/host_port.ts";
import type { BackendCounters, CounterTotals } from "../counters/read.ts";
import type { CountersReport } from "./report.ts";

/**
 * What a running proxy counted between two reports, as the doctor takes it. undefined: it was started anew in between, so
 * that there is no difference to be had. Pure.
 */
export function proxyMeasure(before: CountersReport, after: CountersReport): ProxyMeasure | undefined {
  if (after.uptimeMs < before.uptimeMs) return undefined;
  // The first of a name counts.
  const old = new Map([...before.backends].reverse().map((backend) => [nameOf(backend), backend]));
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
    backends: after.backends.map((backend) => backendMeasure(old.get(nameOf(backend)), backend)),
  };
}

const nameOf = ({ address, port }: BackendCounters): string => formatAddress(address, port);

/** One that came within the window began at 0. */
function backendMeasure(old: BackendCounters | undefined, now: BackendCounters): BackendMeasure {
  const moved = (cell: "forwarded" | "returned" | "refused"): number => Math.max(0, now[cell] - (old?.[cell] ?? 0));
  return { name: nameOf(now), sent: moved("forwarded"), answered: moved("returned"), refused: moved("refused") };
}
