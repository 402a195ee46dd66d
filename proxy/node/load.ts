import type { QuicProxyNodeStatus } from "../../crds/status_schema.ts";
import type { CountersReport } from "../metrics/report.ts";
import { workerQuantiles } from "../timing/durations.ts";
import { type ThreadLoad, type WorkerLoad, workerLoads } from "../timing/load.ts";

type Load = NonNullable<NonNullable<QuicProxyNodeStatus["rates"]>["load"]>;

function twoDigits(value: number): number {
  return Math.round(Number(value.toPrecision(2)));
}

/** What keeps up is never rounded to what does not. */
function percentOf(rho: number): number {
  const percent = twoDigits(rho * 100);
  return rho < 1 ? Math.min(99, percent) : Math.max(100, percent);
}

function busierOf(load: WorkerLoad): ThreadLoad {
  return load.receiver !== undefined && load.receiver.rho > load.rho ? load.receiver : load;
}

/** The packet thread with the highest load, for the status of a node; undefined where nothing runs. */
export function nodeLoad(previous: CountersReport | undefined, report: CountersReport): Load | undefined {
  const loads = workerLoads(previous, report);
  const worker = loads.reduce((highest, load, index) => {
    return busierOf(load).rho > busierOf(loads[highest]!).rho ? index : highest;
  }, 0);
  const load = loads[worker];
  if (load === undefined) return undefined;
  const { busyShare, rho, serviceRate } = busierOf(load);
  const { p50Ns, p99Ns } = workerQuantiles(previous, report, worker);
  return {
    worker,
    busyPercent: Math.round(busyShare * 100),
    loadPercent: percentOf(rho),
    ...(serviceRate === undefined ? {} : { serviceRatePerSecond: twoDigits(serviceRate) }),
    ...(p50Ns === undefined ? {} : { serviceP50Ns: twoDigits(p50Ns) }),
    ...(p99Ns === undefined ? {} : { serviceP99Ns: twoDigits(p99Ns) }),
    ...(load.overflowSeconds === undefined ? {} : { overflowMs: twoDigits(load.overflowSeconds * 1000) }),
  };
}
