import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { formatAddress } from "../../process/host_port.ts";
import { BACKEND_CELLS, COUNTERS, type CounterName, GAUGES } from "../counters/names.generated.ts";
import {
  BACKEND_METRICS,
  counterMetricName,
  LOAD_METRICS,
  type MetricDefinition,
  STATE_METRICS,
  WORKER_GAUGES,
} from "./definitions.ts";
import type { CountersReport } from "./report.ts";
import { loadSamples, TimingMetrics } from "./timing.ts";

type Labels = Record<string, string>;

/** Sets the value of one series. Counters are read from elsewhere, so they too are set, never counted up. */
type SetValue = (labels: Labels, value: number) => void;

interface Metric {
  clear(): void;
  set: SetValue;
}

/** Both kinds as one: `set` sums what comes under the same labels, as when a backend comes back in another slot. */
function register(registry: Registry, { name, type, labels, help }: MetricDefinition): Metric {
  const configuration = { name, help, labelNames: [...labels], registers: [registry] };
  const metric = type === "counter" ? new Counter(configuration) : new Gauge(configuration);
  return { clear: () => metric.reset(), set: (series, value) => metric.inc(series, value) };
}

function registerAll<Key extends string>(
  registry: Registry,
  definitions: Record<Key, MetricDefinition>,
): Record<Key, Metric> {
  const keys = Object.keys(definitions) as Key[];
  return Object.fromEntries(keys.map((key) => [key, register(registry, definitions[key])])) as Record<Key, Metric>;
}

function counterDefinitions(): Record<CounterName, MetricDefinition> {
  const definitions: Partial<Record<CounterName, MetricDefinition>> = {};
  for (const { name, help } of COUNTERS) {
    definitions[name] = { name: counterMetricName(name), type: "counter", labels: ["worker"], help };
  }
  return definitions as Record<CounterName, MetricDefinition>;
}

/** The proxy's metrics in a registry of their own. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #counters = registerAll(this.#registry, counterDefinitions());
  readonly #gauges = registerAll(this.#registry, WORKER_GAUGES);
  readonly #backends = registerAll(this.#registry, BACKEND_METRICS);
  readonly #state = registerAll(this.#registry, STATE_METRICS);
  readonly #load = registerAll(this.#registry, LOAD_METRICS);
  readonly #timing = new TimingMetrics(this.#registry);

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The Prometheus text of one reading. */
  async render(report: CountersReport): Promise<string> {
    this.#clear();
    this.#setWorkers(report);
    this.#setBackends(report);
    this.#setEndpoints(report);
    this.#setState(report);
    this.#setHealth(report);
    this.#setLoad(report);
    this.#timing.set(report);
    return await this.#registry.metrics();
  }

  #clear(): void {
    for (const group of [this.#counters, this.#gauges, this.#backends, this.#state, this.#load]) {
      for (const metric of Object.values(group)) metric.clear();
    }
  }

  #setWorkers({ workers }: CountersReport): void {
    for (const [index, { counters, gauges }] of workers.entries()) {
      const labels = { worker: String(index) };
      for (const { name } of COUNTERS) this.#counters[name].set(labels, counters[name]);
      for (const name of GAUGES) this.#gauges[name].set(labels, gauges[name]);
    }
  }

  #setLoad(report: CountersReport): void {
    for (const { labels, busyShare, serviceRate, rho } of loadSamples(report)) {
      this.#load.busyShare.set(labels, busyShare);
      this.#load.rho.set(labels, rho);
      if (serviceRate !== undefined) this.#load.serviceRate.set(labels, serviceRate);
    }
    for (const [index, { timing }] of report.workers.entries()) {
      const worker = String(index);
      this.#load.busySeconds.set({ worker, thread: "worker" }, timing.busyNs / 1e9);
      if (report.mode !== "Decoupled") continue;
      this.#load.busySeconds.set({ worker, thread: "receiver" }, timing.receiverBusyNs / 1e9);
    }
    for (const [index, { overflowSeconds, bufferSeconds }] of report.load.entries()) {
      const labels = { worker: String(index) };
      if (overflowSeconds !== undefined) this.#load.overflow.set(labels, overflowSeconds);
      if (bufferSeconds !== undefined) this.#load.buffer.set(labels, bufferSeconds);
    }
    this.#load.clockRead.set({}, report.status.clock.readNs / 1e9);
    this.#load.timedOneIn.set({}, report.status.clock.timedOneIn);
  }

  #setBackends({ backends }: CountersReport): void {
    for (const backend of backends) {
      const labels = { backend: formatAddress(backend.address, backend.port) };
      for (const name of BACKEND_CELLS) this.#backends[name].set(labels, backend[name]);
      this.#state.backendWeight.set(labels, backend.active ? backend.weight : 0);
      this.#state.backendSources.set(labels, backend.sources.length);
    }
  }

  #setEndpoints({ endpoints }: CountersReport): void {
    for (const endpoint of endpoints) {
      if (endpoint.skipped !== undefined) continue;
      const labels = { endpoint: formatAddress(endpoint.address, endpoint.port) };
      this.#state.kernelDrops.set(labels, endpoint.kernelDrops);
      this.#state.receiveBufferAsked.set(labels, endpoint.receiveBufferAsked);
      this.#state.receiveBufferEffective.set(labels, endpoint.receiveBufferEffective);
      this.#state.sendBufferEffective.set(labels, endpoint.sendBufferEffective);
    }
  }

  #setHealth({ health }: CountersReport): void {
    if (!health) return;
    for (const [backend, { state }] of Object.entries(health.backends)) {
      this.#state.backendHealth.set({ backend }, state === "Healthy" ? 1 : 0);
      this.#state.backendOnTrial.set({ backend }, state === "OnTrial" ? 1 : 0);
    }
    this.#state.healthPanic.set({}, health.panic ? 1 : 0);
    this.#state.healthSuspended.set({}, health.active === "Suspended" ? 1 : 0);
    for (const [result, count] of Object.entries(health.probes)) this.#state.healthProbes.set({ result }, count);
    for (const [to, count] of Object.entries(health.changes)) this.#state.healthChanges.set({ to }, count);
  }

  #setState(report: CountersReport): void {
    const { name, namespace, version, status } = report;
    const levels = { upstream: status.upstreamLevel, steering: status.steering };
    this.#state.info.set({ name, namespace, version, ...levels }, 1);
    const values: [Metric, number][] = [
      [this.#state.ready, report.ready ? 1 : 0],
      [this.#state.workers, status.workers],
      [this.#state.leavingWorkers, status.leavingWorkers],
      [this.#state.backends, report.backends.filter(({ active, weight }) => active && weight > 0).length],
      [this.#state.generation, report.generation],
      [this.#state.stale, report.staleReason === "" ? 0 : 1],
      [this.#state.logLinesLost, report.logLinesLost ?? 0],
      [this.#state.flowCapacity, status.flowCapacity],
      [this.#state.flowMemory, status.flowMemoryBytes],
      [this.#state.kernelDropsOfClosed, status.kernelDropsOfClosed],
      [this.#state.upstreamSocketMax, status.upstreamSocketMax],
      [this.#state.networkChanges, report.networkChanges],
      [this.#state.networkEvents, status.networkEvents ? 1 : 0],
    ];
    for (const [metric, value] of values) metric.set({}, value);
    for (const [result, count] of Object.entries(report.reloads)) this.#state.reloads.set({ result }, count);
  }
}
