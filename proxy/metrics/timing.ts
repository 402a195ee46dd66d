import type { MetricValueWithName, Registry } from "prom-client";
import { cumulativeBuckets, datagramsOf, type TimeHistogram } from "../timing/histogram.ts";
import type { ThreadLoad } from "../timing/load.ts";
import { type MetricDefinition, TIMING_HISTOGRAMS } from "./definitions.ts";
import type { CountersReport } from "./report.ts";

type Labels = Record<string, string | number>;
type Values = MetricValueWithName<string>[];

const NS_PER_SECOND = 1e9;

/** One histogram's samples as Prometheus has them: cumulative counts with a bound each, sum and count, in seconds. */
function samplesOf(name: string, labels: Labels, histogram: TimeHistogram): Values {
  const buckets = cumulativeBuckets(histogram).map(({ belowNs, datagrams }) => ({
    metricName: `${name}_bucket`,
    labels: { le: Number.isFinite(belowNs) ? belowNs / NS_PER_SECOND : "+Inf", ...labels },
    value: datagrams,
  }));
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: histogram.sumNs / NS_PER_SECOND },
    { metricName: `${name}_count`, labels, value: datagramsOf(histogram) },
  ];
}

/** A histogram that is counted elsewhere: prom-client's own can only be added to. */
class CountedHistogram {
  readonly name: string;
  readonly help: string;
  readonly type = "histogram";
  readonly aggregator = "sum";
  values: Values = [];

  constructor({ name, help }: MetricDefinition) {
    this.name = name;
    this.help = help;
  }

  get(): Promise<this> {
    return Promise.resolve(this);
  }
}

/** The histograms of how long datagrams take, in a registry. */
export class TimingMetrics {
  readonly #service = new CountedHistogram(TIMING_HISTOGRAMS.service);
  readonly #residence = new CountedHistogram(TIMING_HISTOGRAMS.residence);

  constructor(registry: Registry) {
    for (const histogram of [this.#service, this.#residence]) {
      registry.registerMetric(histogram as unknown as Parameters<Registry["registerMetric"]>[0]);
    }
  }

  set({ workers }: CountersReport): void {
    this.#service.values = [];
    this.#residence.values = [];
    for (const [index, { timing }] of workers.entries()) {
      const worker = String(index);
      for (const direction of ["forward", "return"] as const) {
        const labels = { worker, direction };
        this.#service.values.push(...samplesOf(this.#service.name, labels, timing[`${direction}Service`]));
        this.#residence.values.push(...samplesOf(this.#residence.name, labels, timing[`${direction}Residence`]));
      }
    }
  }
}

export interface LoadSample extends ThreadLoad {
  labels: { worker: string; thread: "worker" | "receiver" };
}

/** The load of each thread that takes datagrams, with its labels. */
export function loadSamples({ load }: Pick<CountersReport, "load">): LoadSample[] {
  return load.flatMap(({ receiver, ...own }, index) => {
    const worker = String(index);
    const ofWorker: LoadSample = { ...own, labels: { worker, thread: "worker" } };
    return receiver ? [ofWorker, { ...receiver, labels: { worker, thread: "receiver" } }] : [ofWorker];
  });
}
