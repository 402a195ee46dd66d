import { isDeepStrictEqual } from "node:util";
import type { QuicProxyNodeStatus } from "../../crds/status_schema.ts";
import type { ApiClient } from "../../kube/client.ts";
import { hasStatus } from "../../kube/errors.ts";
import { secondsTime } from "../../kube/micro_time.ts";
import type { KubernetesObject } from "../../kube/objects.ts";
import { apiVersionOf, RESOURCES } from "../../kube/resources.ts";
import type { CountersReport } from "../metrics/report.ts";
import { type AgentState, nodeStatus } from "./status.ts";

export interface ReporterOptions {
  readonly client: Pick<ApiClient, "apply">;
  readonly namespace: string;
  readonly name: string;
  readonly version: string;
  state(): AgentState;
  report(): CountersReport | undefined;
  onError(error: Error): void;
  /** Milliseconds since any fixed point. */
  readonly clock: () => number;
  /** Milliseconds since 1970, for people to read. */
  readonly now: () => number;
  readonly random?: () => number;
}

/** At least this long between two writes, whatever changed. */
const WRITE_MIN_MS = 2000;
/**
 * At least this long where only measured numbers changed, and up to a third more, so that the nodes of a large cluster do
 * not write together: everyone who watches the objects is sent each of these.
 */
const NUMBERS_MIN_MS = 30_000;
const NUMBERS_SPREAD_MS = 10_000;
/** A sign of life where nothing else is to be said, and up to two fifths more, for the same reason. */
const BEAT_MS = 50_000;
const BEAT_SPREAD_MS = 20_000;
const RETRY_MAX_MS = 30_000;
const FIELD_MANAGER = "quicproxy-node";

/** Writes the status of the QuicProxyNode: when it changed, never often, and once a minute for a sign of life. */
export class Reporter {
  readonly #options: ReporterOptions;
  #sent: QuicProxyNodeStatus | undefined;
  #previous: CountersReport | undefined;
  #latest: QuicProxyNodeStatus["rates"];
  #writtenAtMs = Number.NEGATIVE_INFINITY;
  #numbersDueMs = Number.NEGATIVE_INFINITY;
  #beatDueMs = Number.NEGATIVE_INFINITY;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #writing: Promise<void> | undefined;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** The object is another one, which holds nothing of what was written. */
  forget(): void {
    this.#sent = undefined;
    this.#notBeforeMs = Number.NEGATIVE_INFINITY;
  }

  /** Writes if something changed and it is time. Call it every second or two. Never throws. */
  async tick(): Promise<void> {
    if (this.#writing !== undefined) return this.#writing;
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #write(): Promise<void> {
    const nowMs = this.#options.clock();
    if (nowMs < this.#notBeforeMs || nowMs - this.#writtenAtMs < WRITE_MIN_MS) return;
    const withNumbers = nowMs >= this.#numbersDueMs;
    const status = this.#next(withNumbers);
    if (nowMs < this.#beatDueMs && !this.#isNews(status, withNumbers)) return;
    try {
      await this.#send(status);
      this.#sent = status;
      this.#beatDueMs = nowMs + BEAT_MS + this.#random() * BEAT_SPREAD_MS;
      this.#writtenAtMs = nowMs;
      this.#numbersDueMs = nowMs + NUMBERS_MIN_MS + this.#random() * NUMBERS_SPREAD_MS;
      this.#failures = 0;
    } catch (error) {
      const bound = Math.min(RETRY_MAX_MS, 1000 * 2 ** this.#failures++);
      this.#notBeforeMs = nowMs + this.#random() * bound;
      // 404: the object is gone, and the watch will say when there is another.
      if (!hasStatus(error, 404)) this.#options.onError(error as Error);
    }
  }

  /** How many backends are well is a number like others: each of a thousand that comes and goes is none of the operator's. */
  #isNews(status: QuicProxyNodeStatus, withNumbers: boolean): boolean {
    if (withNumbers) return !isDeepStrictEqual(status, this.#sent);
    return !isDeepStrictEqual({ ...status, backendHealth: undefined }, { ...this.#sent, backendHealth: undefined });
  }

  /** Between two writes of numbers the rates stay what they were, so that only what else changed is a change. */
  #next(withNumbers: boolean): QuicProxyNodeStatus {
    const { state, report, version } = this.#options;
    const present = report();
    const hasRestarted = present === undefined || present.uptimeMs < (this.#previous?.uptimeMs ?? 0);
    const previous = hasRestarted ? undefined : this.#previous;
    const rates = withNumbers || present === undefined ? undefined : this.#latest;
    const status = nodeStatus({ state: state(), version, report: present, previous, rates });
    if (rates === undefined) {
      this.#previous = present;
      this.#latest = status.rates;
    }
    return status;
  }

  #random(): number {
    return (this.#options.random ?? Math.random)();
  }

  async #send(status: QuicProxyNodeStatus): Promise<void> {
    const { client, namespace, name, now } = this.#options;
    const resource = RESOURCES.quicProxyNodes;
    const reported = { ...status, reportedAt: secondsTime(now()) };
    const metadata = { namespace, name };
    const object = { apiVersion: apiVersionOf(resource), kind: resource.kind, metadata, status: reported };
    await client.apply(object as KubernetesObject, { resource, fieldManager: FIELD_MANAGER, subresource: "status" });
  }
}
