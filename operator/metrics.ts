import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ObserveCall } from "../kube/client.ts";
import type { InformerStats } from "../kube/informer.ts";
import type { Attempt, WorkQueue } from "./queue.ts";
import type { RolloutProgress } from "./rollout/progress.ts";

type ProgressNumber = (progress: Pick<RolloutProgress, "reason" | "outdated">) => number;

/** What the gauges are read from when somebody asks. */
export interface MetricsSources {
  queue(): WorkQueue | undefined;
  caches(): ReadonlyMap<string, InformerStats>;
  isLeading(): boolean;
  rollouts(): Rollouts;
  /** Lines that the log could not take since the start. */
  logLinesLost(): number;
}

/** Proxies that are replaced, and how far that has come for each QuicProxy (namespace/name) where it is not done. */
export interface Rollouts {
  readonly replaced: number;
  readonly progress: ReadonlyMap<string, Pick<RolloutProgress, "reason" | "outdated">>;
}

const CONTROLLER = "quicproxy";
const SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** The operator's metrics, under the names of controller-runtime and client-go, so that their dashboards work. */
export class OperatorMetrics {
  readonly registry = new Registry();
  readonly #reconciles: Counter<"controller" | "result">;
  readonly #errors: Counter<"controller">;
  readonly #times: Histogram<"controller">;
  readonly #waits: Histogram<"name">;
  readonly #calls: Counter<"method" | "code">;
  readonly #callTimes: Histogram<"verb">;

  constructor(sources: MetricsSources) {
    const registers = [this.registry];
    const named = { name: CONTROLLER };
    this.#reconciles = new Counter({
      name: "controller_runtime_reconcile_total",
      help: "Reconciliations by result.",
      labelNames: ["controller", "result"],
      registers,
    });
    this.#errors = new Counter({
      name: "controller_runtime_reconcile_errors_total",
      help: "Reconciliations that failed and are tried again.",
      labelNames: ["controller"],
      registers,
    });
    this.#times = new Histogram({
      name: "controller_runtime_reconcile_time_seconds",
      help: "Time of one reconciliation.",
      labelNames: ["controller"],
      buckets: SECONDS,
      registers,
    });
    this.#waits = new Histogram({
      name: "workqueue_queue_duration_seconds",
      help: "How long a key waited after it was due.",
      labelNames: ["name"],
      buckets: SECONDS,
      registers,
    });
    this.#calls = new Counter({
      name: "rest_client_requests_total",
      help: "Requests to the API server by method and status; code 0: no answer.",
      labelNames: ["method", "code"],
      registers,
    });
    this.#callTimes = new Histogram({
      name: "rest_client_request_duration_seconds",
      help: "Time until the API server answered.",
      labelNames: ["verb"],
      buckets: SECONDS,
      registers,
    });
    this.#errors.inc({ controller: CONTROLLER }, 0);
    this.#queueGauges(sources, named);
    this.#cacheGauges(sources);
    this.#rolloutGauges(sources);
    const lost = "Lines of the log that could not be written.";
    this.#gauge({ name: "quicproxy_operator_log_lines_lost_total", help: lost, labelNames: [] }, (set) =>
      set({}, sources.logLinesLost()),
    );
  }

  readonly observeCall: ObserveCall = ({ method, code, seconds }) => {
    this.#calls.inc({ method, code: String(code) });
    this.#callTimes.observe({ verb: method }, seconds);
  };

  readonly observeAttempt = ({ error, seconds, queuedSeconds }: Attempt): void => {
    this.#reconciles.inc({ controller: CONTROLLER, result: error === undefined ? "success" : "error" });
    if (error !== undefined) this.#errors.inc({ controller: CONTROLLER });
    this.#times.observe({ controller: CONTROLLER }, seconds);
    this.#waits.observe({ name: CONTROLLER }, queuedSeconds);
  };

  #queueGauges(sources: MetricsSources, labels: { name: string }): void {
    const gauge = (name: string, help: string, read: (queue: WorkQueue) => number): void => {
      this.#gauge({ name, help, labelNames: ["name"] }, (set) => {
        const queue = sources.queue();
        set(labels, queue === undefined ? 0 : read(queue));
      });
    };
    gauge("workqueue_depth", "Keys that wait for work.", (queue) => queue.depth);
    gauge("workqueue_adds_total", "Keys added.", (queue) => queue.adds);
    gauge("workqueue_retries_total", "Keys added again after a failure.", (queue) => queue.retries);
    this.#gauge(
      { name: "controller_runtime_active_workers", help: "Reconciliations at work.", labelNames: ["controller"] },
      (set) => set({ controller: CONTROLLER }, sources.queue()?.active ?? 0),
    );
    this.#gauge({ name: "leader_election_master_status", help: "1: this one leads.", labelNames: ["name"] }, (set) =>
      set({ name: "quicproxy-operator" }, sources.isLeading() ? 1 : 0),
    );
  }

  #cacheGauges(sources: MetricsSources): void {
    const gauge = (name: string, help: string, read: (stats: InformerStats) => number): void => {
      this.#gauge({ name: `quicproxy_operator_cache_${name}`, help, labelNames: ["resource"] }, (set) => {
        for (const [resource, stats] of sources.caches()) set({ resource }, read(stats));
      });
    };
    gauge("synced", "1: the cache was filled at least once.", ({ synced }) => Number(synced));
    gauge("connected", "1: the last attempt to list or watch succeeded.", ({ connected }) => Number(connected));
    gauge("last_event_age_seconds", "Since the last sign of life of the API server.", (s) => s.lastEventAgeMs / 1000);
    gauge("lists_total", "Times that everything was listed.", ({ lists }) => lists);
    gauge("watches_total", "Watches opened.", ({ watches }) => watches);
    gauge("stalls_total", "Watches given up because they were silent.", ({ stalls }) => stalls);
    gauge("errors_total", "Failed lists and watches, and handlers that threw.", ({ errors }) => errors);
  }

  #rolloutGauges(sources: MetricsSources): void {
    const labelNames = ["namespace", "name"];
    const each = (set: (labels: Record<string, string>, value: number) => void, of: ProgressNumber): void => {
      for (const [key, progress] of sources.rollouts().progress) {
        const [namespace = "", name = ""] = key.split("/");
        set({ namespace, name }, of(progress));
      }
    };
    const left = "Nodes whose proxies are to be replaced yet; nothing where none is.";
    this.#gauge({ name: "quicproxy_operator_rollout_outdated_nodes", help: left, labelNames }, (set) =>
      each(set, ({ outdated }) => outdated),
    );
    const halted = "1: the rollout is halted, because what was replaced is not well.";
    this.#gauge({ name: "quicproxy_operator_rollout_halted", help: halted, labelNames }, (set) =>
      each(set, ({ reason }) => Number(reason === "RolloutHalted")),
    );
    const replaced = "Pods deleted to be replaced.";
    this.#gauge({ name: "quicproxy_operator_pods_replaced_total", help: replaced, labelNames: [] }, (set) =>
      set({}, sources.rollouts().replaced),
    );
  }

  #gauge(
    { name, help, labelNames }: { name: string; help: string; labelNames: string[] },
    read: (set: (labels: Record<string, string>, value: number) => void) => void,
  ): void {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        this.reset();
        read((labels, value) => this.set(labels, value));
      },
    });
  }
}
