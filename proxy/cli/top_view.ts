import pc from "picocolors";
import { formatAddress } from "../../process/host_port.ts";
import { DROP_COUNTERS, kernelDropsOf } from "../counters/drops.ts";
import { COUNTERS, type CounterName } from "../counters/names.generated.ts";
import { counterRate } from "../counters/rates.ts";
import type { BackendCounters, CounterTotals } from "../counters/read.ts";
import type { CountersReport } from "../metrics/report.ts";
import { fitLine, formatBytes, formatCount, formatUptime, tableLines } from "./top_format.ts";
import { loadColumns } from "./top_load.ts";

export interface ScreenSize {
  width: number;
  /** Lines; Infinity for a pipe. */
  height: number;
}

type Health = CountersReport["health"];
type Colors = ReturnType<typeof pc.createColors>;

/** Two readings and the time between them; without an earlier one the rates are averages since the start. */
interface Interval {
  previous: CountersReport | undefined;
  current: CountersReport;
  elapsedMs: number;
}

const BACKENDS_MIN = 3;
const BACKENDS_MAX_UNBOUNDED = 50;
/** The heading of the backends, their table's head, the line for those not shown, and a blank line before. */
const BACKEND_OVERHEAD_LINES = 4;

function intervalOf(previous: CountersReport | undefined, current: CountersReport): Interval {
  // A proxy that restarted in between has counted for its own uptime only.
  const isRestarted = previous !== undefined && current.uptimeMs < previous.uptimeMs;
  if (previous === undefined || isRestarted) return { previous: undefined, current, elapsedMs: current.uptimeMs };
  return { previous, current, elapsedMs: current.uptimeMs - previous.uptimeMs };
}

function rateOf(before: number | undefined, now: number, elapsedMs: number): number {
  return counterRate(before ?? 0, now, elapsedMs);
}

function upstreamRoom(status: CountersReport["status"], sockets: number): string {
  const { upstreamLevel, upstreamPortFirst: first, upstreamPortLast: last } = status;
  return upstreamLevel === "RawSend"
    ? `ports ${first} to ${last}`
    : `${formatCount(sockets)} of ${formatCount(status.upstreamSocketMax)} sockets`;
}

function workersText({ workers, leavingWorkers }: CountersReport["status"]): string {
  const text = `${workers} ${workers === 1 ? "worker" : "workers"}`;
  return leavingWorkers === 0 ? text : `${text} and ${leavingWorkers} leaving`;
}

function headerLines({ current }: Interval, colors: Colors): string[] {
  const { status, totals: _totals, workers } = current;
  const sum = (gauge: "flows" | "upstreamSockets"): number =>
    workers.reduce((total, { gauges }) => total + gauges[gauge], 0);
  const state = current.ready ? colors.green("ready") : colors.yellow(`not ready: ${current.notReadyReason}`);
  const first = [
    `${colors.bold("quicproxy")} ${current.namespace}/${current.name}`,
    `generation ${current.generation}`,
    workersText(status),
    current.mode,
    `up ${formatUptime(current.uptimeMs)}`,
    state,
  ].join("  ");
  const second = [
    `flows ${formatCount(sum("flows"))} of ${formatCount(status.flowCapacity)}`,
    `upstream ${status.upstreamLevel}, ${upstreamRoom(status, sum("upstreamSockets"))}`,
    `steering ${status.steering}`,
  ].join("  ");
  const stale = current.staleReason.split("\n", 1)[0];
  return [
    first,
    second,
    ...healthLines(current, colors),
    ...(stale ? [colors.red(`manifest rejected, an older one is in force: ${stale}`)] : []),
  ];
}

function healthLines({ health }: CountersReport, colors: Colors): string[] {
  if (!health) return [];
  const { healthy, onTrial, unhealthy } = health;
  const share = `${healthy} of ${healthy + onTrial + unhealthy} backends healthy`;
  const panic = `panic: ${share}, at least ${health.panicThreshold} % wanted: all are treated as healthy`;
  const suspended = "no backend ever answered a probe: active checks suspended";
  return [
    ...(health.panic ? [colors.red(panic)] : []),
    ...(health.active === "Suspended" ? [colors.yellow(suspended)] : []),
  ];
}

/** Narrower screens show how busy workers are rather than what each remembers: the header has the flows of all. */
const MEMORY_COLUMNS_WIDTH = 100;

function workerLines({ previous, current, elapsedMs }: Interval, width: number, colors: Colors): string[] {
  const { status } = current;
  const load = loadColumns(previous, current, colors);
  const memoryColumns = width >= MEMORY_COLUMNS_WIDTH ? (["flows", "cids"] as const) : [];
  const rows = current.workers.slice(0, status.workers + status.leavingWorkers).map(({ counters, gauges }, index) => {
    const before = previous?.workers[index]?.counters;
    const rate = (name: CounterName): number => rateOf(before?.[name], counters[name], elapsedMs);
    const drops = DROP_COUNTERS.reduce((total, name) => total + rate(name), 0);
    const dropText = formatCount(drops);
    return [
      String(index),
      formatCount(rate("receive_datagrams")),
      formatCount(rate("forward_sent")),
      formatCount(rate("return_sent")),
      drops > 0 ? colors.red(dropText) : dropText,
      ...load.rows[index]!,
      ...memoryColumns.map((gauge) => formatCount(gauges[gauge])),
    ];
  });
  const head = ["worker", "receive/s", "forward/s", "return/s", "drops/s", ...load.head, ...memoryColumns];
  return [...tableLines(head, rows), ...load.notes];
}

interface StageRow {
  stage: string;
  outcome: string;
  total: number;
  rate: number;
  isDrop: boolean;
}

function stageRows({ previous, current, elapsedMs }: Interval): StageRow[] {
  const socketDrops = kernelDropsOf(current);
  const socket = {
    stage: "socket",
    outcome: "kernel_drops",
    total: socketDrops,
    rate: rateOf(previous && kernelDropsOf(previous), socketDrops, elapsedMs),
    isDrop: true,
  };
  const counted = COUNTERS.map(({ name, stage, outcome }) => ({
    stage,
    outcome,
    total: current.totals[name],
    rate: rateOf((previous?.totals as CounterTotals | undefined)?.[name], current.totals[name], elapsedMs),
    isDrop: DROP_COUNTERS.includes(name),
  }));
  return [socket, ...counted];
}

function stageLines(rows: readonly StageRow[], showZero: boolean, colors: Colors): string[] {
  const shown = showZero ? rows : rows.filter(({ total }) => total > 0);
  let stageBefore = "";
  const cells = shown.map(({ stage, outcome, total, rate, isDrop }) => {
    const paint = isDrop && total > 0 ? (rate > 0 ? colors.red : colors.yellow) : (text: string): string => text;
    const stageCell = stage === stageBefore ? "" : stage;
    stageBefore = stage;
    return [stageCell, paint(outcome), paint(formatCount(rate)), paint(formatCount(total))];
  });
  const hidden = rows.length - shown.length;
  const note = hidden > 0 ? [colors.dim(`${hidden} at zero not shown`)] : [];
  return [...tableLines(["stage", "outcome", "rate/s", "total"], cells, 2), ...note];
}

interface BackendRates {
  backend: BackendCounters;
  cells: Record<"forwarded" | "forwardedBytes" | "returned" | "returnedBytes" | "refused" | "dropped", number>;
}

function backendRates({ previous, current, elapsedMs }: Interval): BackendRates[] {
  const key = ({ address, port }: BackendCounters): string => formatAddress(address, port);
  const before = new Map(previous?.backends.map((backend) => [key(backend), backend]));
  return current.backends.map((backend) => {
    const old = before.get(key(backend));
    const rate = (cell: keyof BackendRates["cells"]): number => rateOf(old?.[cell], backend[cell], elapsedMs);
    return {
      backend,
      cells: {
        forwarded: rate("forwarded"),
        forwardedBytes: rate("forwardedBytes"),
        returned: rate("returned"),
        returnedBytes: rate("returnedBytes"),
        refused: rate("refused"),
        dropped: rate("dropped"),
      },
    };
  });
}

/** The busiest first; among idle ones those that carried most so far. */
function byTraffic(a: BackendRates, b: BackendRates): number {
  const rate = ({ cells }: BackendRates): number => cells.forwarded + cells.returned;
  const total = ({ backend }: BackendRates): number => backend.forwarded + backend.returned;
  return rate(b) - rate(a) || total(b) - total(a);
}

/** Name and state; an unhealthy backend has no weight unless there is panic. */
function backendLabel({ address, port, active, weight }: BackendCounters, health: Health, colors: Colors): string {
  const name = formatAddress(address, port);
  const { state, reason } = (active ? health?.backends[name] : undefined) ?? {};
  if (reason) return colors.red(`${name} (unhealthy: ${reason})`);
  if (state === "OnTrial") return colors.yellow(`${name} (on trial)`);
  return active && weight > 0 ? name : colors.dim(`${name} (draining)`);
}

function backendRow({ backend, cells }: BackendRates, health: Health, colors: Colors): string[] {
  const failed = cells.refused + cells.dropped;
  const refused = formatCount(cells.refused);
  return [
    backendLabel(backend, health, colors),
    formatCount(backend.flows),
    formatCount(cells.forwarded),
    formatBytes(cells.forwardedBytes),
    formatCount(cells.returned),
    formatBytes(cells.returnedBytes),
    failed > 0 ? colors.red(refused) : refused,
    formatCount(backend.refused),
  ];
}

const BACKEND_HEAD = ["backend", "flows", "to pps", "to B/s", "from pps", "from B/s", "refused/s", "refused"];

function backendLines(interval: Interval, shownMax: number, colors: Colors): string[] {
  const rates = backendRates(interval).sort(byTraffic);
  if (rates.length === 0) return [colors.yellow("no backends")];
  const shown = rates.slice(0, shownMax);
  const hidden = rates.length - shown.length;
  const note = hidden > 0 ? [colors.dim(`${hidden.toLocaleString("en-US")} backends with less traffic not shown`)] : [];
  return [
    ...tableLines(
      BACKEND_HEAD,
      shown.map((rate) => backendRow(rate, interval.current.health, colors)),
    ),
    ...note,
  ];
}

export interface TopInput {
  previous: CountersReport | undefined;
  current: CountersReport;
  size: ScreenSize;
  isColored: boolean;
}

/** One screen of `quicproxy top`. Pure: the same readings give the same text. */
export function renderTop({ previous, current, size, isColored }: TopInput): string {
  const colors = pc.createColors(isColored);
  const interval = intervalOf(previous, current);
  const head = [...headerLines(interval, colors), "", ...workerLines(interval, size.width, colors), ""];
  const rows = stageRows(interval);
  const room = size.height - head.length - BACKENDS_MIN - BACKEND_OVERHEAD_LINES;
  const stages = stageLines(rows, rows.length < room, colors);
  const left = size.height - head.length - stages.length - BACKEND_OVERHEAD_LINES;
  const shownMax = Number.isFinite(left) ? Math.max(BACKENDS_MIN, left) : BACKENDS_MAX_UNBOUNDED;
  const lines = [...head, ...stages, "", ...backendLines(interval, shownMax, colors)];
  return lines
    .slice(0, size.height)
    .map((line) => fitLine(line, size.width))
    .join("\n");
}
