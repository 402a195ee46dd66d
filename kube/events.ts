import { randomBytes } from "node:crypto";
import type { ApiClient } from "./client.ts";
import type { Event } from "./client_library.ts";
import { microTime } from "./micro_time.ts";
import { apiVersionOf, RESOURCES, type Resource } from "./resources.ts";

/** Something a controller did, or found, that whoever owns the object should know. */
export interface Happening {
  readonly type: "Normal" | "Warning";
  /** What happened, one word. */
  readonly reason: string;
  /** What the controller was doing, one word. */
  readonly action: string;
  readonly note: string;
}

/** The object that an event is about. */
export interface Regarded {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface EventsOptions {
  readonly client: Pick<ApiClient, "create">;
  /** What kind of object the events are about. */
  readonly resource: Resource;
  /** Name of the controller, such as quicproxy.io/operator. */
  readonly controller: string;
  /** Name of the pod. */
  readonly instance: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** A clock that never jumps. */
  readonly steadyMs?: () => number;
  onError(error: Error): void;
}

const NOTE_MAX = 1024;
const SAME_AGAIN_MS = 600_000;
const REMEMBERED_MAX = 10_000;

/** Records events on objects of one kind. One that says the same as another of the last ten minutes is not recorded again. */
export class Events {
  readonly #options: EventsOptions;
  readonly #recordedAtMs = new Map<string, number>();

  constructor(options: EventsOptions) {
    this.#options = options;
  }

  /** Never throws: an event that cannot be written must not keep the work from being done. */
  async record(regarded: Regarded, happening: Happening): Promise<void> {
    const { now, steadyMs = () => performance.now() } = this.#options;
    const steadyNowMs = steadyMs();
    const same = `${regarded.uid} ${happening.reason} ${happening.note}`;
    const recordedAtMs = this.#recordedAtMs.get(same);
    if (recordedAtMs !== undefined && steadyNowMs - recordedAtMs < SAME_AGAIN_MS) return;
    if (this.#recordedAtMs.size >= REMEMBERED_MAX) this.#recordedAtMs.clear();
    this.#recordedAtMs.set(same, steadyNowMs);
    try {
      await this.#options.client.create(RESOURCES.events, this.#eventOf(regarded, happening, now()));
    } catch (error) {
      this.#recordedAtMs.delete(same);
      this.#options.onError(error as Error);
    }
  }

  #eventOf({ namespace, name, uid }: Regarded, { type, reason, action, note }: Happening, nowMs: number): Event {
    const { events } = RESOURCES;
    const { resource, controller, instance } = this.#options;
    const short = note.length > NOTE_MAX ? `${note.slice(0, NOTE_MAX - 1)}…` : note;
    return {
      apiVersion: apiVersionOf(events),
      kind: events.kind,
      metadata: { namespace, name: `${name}.${randomBytes(8).toString("hex")}` },
      eventTime: microTime(nowMs),
      reportingController: controller,
      reportingInstance: instance,
      type,
      reason,
      action,
      note: short,
      regarding: { apiVersion: apiVersionOf(resource), kind: resource.kind, namespace, name, uid },
    };
  }
}
