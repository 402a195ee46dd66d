import { randomBytes } from "node:crypto";
import type { ApiClient } from "../crds/client/client.ts";
import type { KubernetesObject } from "../crds/client/objects.ts";
import { apiVersionOf, RESOURCES } from "../crds/client/resources.ts";
import { microTime } from "./micro_time.ts";
import type { ObservedProxy } from "./world.ts";

/** Something the operator did, or found, that whoever owns the QuicProxy should know. */
export interface Happening {
  readonly type: "Normal" | "Warning";
  /** What happened, one word. */
  readonly reason: string;
  /** What the operator was doing, one word. */
  readonly action: string;
  readonly note: string;
}

export interface EventsOptions {
  readonly client: Pick<ApiClient, "create">;
  /** Name of the pod. */
  readonly instance: string;
  readonly now: () => number;
  onError(error: Error): void;
}

const NOTE_MAX = 1024;
const SAME_AGAIN_MS = 600_000;
const REMEMBERED_MAX = 10_000;

/** Records events on QuicProxies; one that says the same as another of the last ten minutes is not recorded again. */
export class Events {
  readonly #options: EventsOptions;
  readonly #recordedAtMs = new Map<string, number>();

  constructor(options: EventsOptions) {
    this.#options = options;
  }

  /** Never throws: an event that cannot be written must not keep the work from being done. */
  async record(proxy: ObservedProxy, happening: Happening): Promise<void> {
    const nowMs = this.#options.now();
    const same = `${proxy.uid} ${happening.reason} ${happening.note}`;
    const recordedAtMs = this.#recordedAtMs.get(same);
    if (recordedAtMs !== undefined && nowMs - recordedAtMs < SAME_AGAIN_MS) return;
    if (this.#recordedAtMs.size >= REMEMBERED_MAX) this.#recordedAtMs.clear();
    this.#recordedAtMs.set(same, nowMs);
    try {
      await this.#options.client.create(RESOURCES.events, this.#eventOf(proxy, happening, nowMs));
    } catch (error) {
      this.#recordedAtMs.delete(same);
      this.#options.onError(error as Error);
    }
  }

  #eventOf(
    { namespace, name, uid }: ObservedProxy,
    { type, reason, action, note }: Happening,
    nowMs: number,
  ): KubernetesObject {
    const { events, quicProxies } = RESOURCES;
    const short = note.length > NOTE_MAX ? `${note.slice(0, NOTE_MAX - 1)}…` : note;
    return {
      apiVersion: apiVersionOf(events),
      kind: events.kind,
      metadata: { namespace, name: `${name}.${randomBytes(8).toString("hex")}` },
      eventTime: microTime(nowMs),
      reportingController: "quicproxy.io/operator",
      reportingInstance: this.#options.instance,
      type,
      reason,
      action,
      note: short,
      regarding: { apiVersion: apiVersionOf(quicProxies), kind: quicProxies.kind, namespace, name, uid },
    } as KubernetesObject;
  }
}
