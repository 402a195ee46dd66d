import { randomBytes } from "node:crypto";
import { ApiClient } from "../kube/client.ts";
import { Events } from "../kube/events.ts";
import { fenced } from "../kube/fence.ts";
import type { InformerTimes } from "../kube/informer.ts";
import { RESOURCES } from "../kube/resources.ts";
import type { SendRequest } from "../kube/transport.ts";
import type { Log } from "../process/log.ts";
import { OperatorMetrics } from "./metrics.ts";
import { CONTROLLER_NAME, imageLabels } from "./names.ts";
import type { PodOptions } from "./plan/desired.ts";
import { WorkQueue } from "./queue.ts";
import { Reconciler } from "./reconcile.ts";
import { Troubles } from "./troubles.ts";
import { Caches, type Concern } from "./watch/caches.ts";
import type { ObservedProxy } from "./world.ts";

export interface OperatorOptions {
  readonly send: SendRequest;
  readonly log: Log;
  readonly pods: PodOptions;
  /** Undefined: all namespaces. */
  readonly namespace: string | undefined;
  /** Name of the pod. */
  readonly instance: string;
  readonly isLeading: () => boolean;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** A clock that never jumps, in milliseconds. */
  readonly steadyMs?: () => number;
  readonly times?: Partial<InformerTimes>;
  /** How often it is looked for ReferenceGrants while the API server serves none. Default: every 15 s. */
  readonly grantsLookEveryMs?: number;
  /** Lines that the log could not take since the start. Default: none. */
  readonly logLinesLost?: () => number;
}

const SYNC_POLL_MS = 50;

/** Watches, plans, applies and reports, from `start` until `stop`. */
export class Operator {
  /** Not fenced: for the lease. */
  readonly client: ApiClient;
  readonly metrics: OperatorMetrics;
  readonly #options: OperatorOptions;
  readonly #caches: Caches;
  readonly #queue: WorkQueue;
  readonly #troubles: Troubles;
  #started = false;
  #syncTimer: NodeJS.Timeout | undefined;

  constructor(options: OperatorOptions) {
    const { send, log, pods, namespace, instance, now = Date.now, steadyMs = () => performance.now(), times } = options;
    this.#options = options;
    this.#troubles = new Troubles(log);
    this.metrics = new OperatorMetrics({
      queue: () => this.#queue,
      caches: () => this.#caches.stats(),
      isLeading: options.isLeading,
      logLinesLost: options.logLinesLost ?? (() => 0),
      rollouts: () => reconciler.rollouts,
    });
    this.client = new ApiClient(send, this.metrics.observeCall);
    const client = new ApiClient(fenced(send, options.isLeading), this.metrics.observeCall);
    this.#caches = new Caches({
      client,
      namespace,
      imageLabels: imageLabels(pods.architecture),
      onConcern: (concern) => this.#enqueue(concern),
      onError: (resource, error) => this.#troubles.say(resource, error),
      onRecovered: (resource) => this.#troubles.over(resource),
      steadyMs,
      ...(times === undefined ? {} : { times }),
      lookEveryMs: options.grantsLookEveryMs,
    });
    const onError = (error: Error): void => log.warn({ err: error }, `an event was not recorded: ${error.message}`);
    const about = { resource: RESOURCES.quicProxies, controller: CONTROLLER_NAME, instance };
    const events = new Events({ client, ...about, now, onError });
    const reconciler = new Reconciler({
      client,
      caches: this.#caches,
      events,
      pods,
      now,
      steadyMs,
    });
    this.#queue = new WorkQueue({
      work: (key) => reconciler.reconcile(key, this.#logOf(key)),
      onDone: (attempt) => {
        this.metrics.observeAttempt(attempt);
        const { key, error } = attempt;
        if (error !== undefined)
          this.#logOf(key).error({ err: error }, `not done, tried again: ${(error as Error).message}`);
      },
    });
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#caches.start();
    this.#syncTimer = setInterval(() => this.#startWhenSynced(), SYNC_POLL_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#syncTimer);
    await this.#queue.stop();
    await this.#caches.stop();
  }

  /** Why nothing can be reconciled, or undefined. One that waits for leadership is ready. */
  notReady(): string | undefined {
    if (!this.#started) return undefined;
    const problems = [...this.#caches.stats()].flatMap(([resource, { synced, connected }]) => {
      if (synced && connected) return [];
      return [`${resource}: ${this.#troubles.of(resource) ?? "not listed yet"}`];
    });
    return problems.length === 0 ? undefined : problems.join("\n");
  }

  /** To plan on a part of the world would take away what the missing part asks for. */
  #startWhenSynced(): void {
    if (!this.#caches.synced) return;
    clearInterval(this.#syncTimer);
    const { proxies, nodes } = this.#caches;
    this.#options.log.info({ proxies: proxies.length, nodes: nodes.length }, "caches are filled, reconciling");
    this.#queue.start();
  }

  #enqueue(concern: Concern): void {
    if (concern.kind === "proxy") {
      this.#queue.add(concern.key, concern.settleMs);
      return;
    }
    for (const proxy of this.#caches.proxies) {
      if (concern.kind === "all" || isConcerned(this.#caches, proxy, concern)) this.#queue.add(proxy.key);
    }
  }

  #logOf(key: string): Log {
    const [namespace, name] = key.split("/");
    return this.#options.log.child({ namespace, name, reconcileID: randomBytes(8).toString("hex") });
  }
}

/**
 * By its present spec, or by the accepted one, which may be what is in force: as a user of the Service, or by addresses, which
 * may be those of pods of a Service in its own namespace, or of any Service.
 */
function isConcerned(
  caches: Caches,
  { namespace, name, spec }: ObservedProxy,
  { key, isAddressChange = false }: Extract<Concern, { kind: "service" }>,
): boolean {
  const specs = [spec, ...caches.revisions(namespace, name).map(({ data }) => data)];
  return specs.some((each) => {
    const { backends } = (each ?? {}) as { backends?: { service?: { name?: string; namespace?: string } } };
    const { service } = backends ?? {};
    if (service?.name === undefined) return isAddressChange || key.startsWith(`${namespace}/`);
    return `${service.namespace ?? namespace}/${service.name}` === key;
  });
}
