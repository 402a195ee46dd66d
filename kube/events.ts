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
  readonly client: Pick<ApiClient, "create" | "mergePatch">;
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
/** As long as the same comes again within this time it is one event with a count. */
const SAME_AGAIN_MS = 600_000;
/** The count of an event is written this seldom. */
const COUNTED_EVERY_MS = 60_000;
const REMEMBERED_MAX = 10_000;
/** Of one object, of each type: so many at once, and one more in each of these times; client-go bounds a source like that. */
const BURST = 25;
const ONE_MORE_MS = 30_000;

interface Recorded {
  readonly place: { readonly namespace: string; readonly name: string };
  count: number;
  seenAtMs: number;
  writtenAtMs: number;
}

type NamedEvent = Event & { readonly metadata: { readonly name: string } };

interface Allowance {
  left: number;
  atMs: number;
}

/**
 * Records events on objects of one kind. What says the same as another within ten minutes is one of a series, whose count
 * is written once a minute. An object of which too much is to be told has the rest told by its status alone: nobody reads a
 * thousand events, and they take the room of others in etcd.
 */
export class Events {
  readonly #options: EventsOptions;
  readonly #recorded = new Map<string, Recorded>();
  readonly #allowances = new Map<string, Allowance>();

  constructor(options: EventsOptions) {
    this.#options = options;
  }

  /** Never throws: an event that cannot be written must not keep the work from being done. */
  async record(regarded: Regarded, happening: Happening): Promise<void> {
    const { steadyMs = () => performance.now() } = this.#options;
    const nowMs = steadyMs();
    const { type, reason, note } = happening;
    const same = `${regarded.uid} ${type} ${reason} ${note}`;
    const before = this.#recorded.get(same);
    try {
      if (before !== undefined && nowMs - before.seenAtMs < SAME_AGAIN_MS) await this.#count(before, nowMs);
      else if (this.#isAllowed(`${regarded.uid} ${type}`, nowMs)) await this.#create(same, regarded, happening, nowMs);
    } catch (error) {
      this.#recorded.delete(same);
      this.#options.onError(error as Error);
    }
  }

  async #create(same: string, regarded: Regarded, happening: Happening, nowMs: number): Promise<void> {
    if (this.#recorded.size >= REMEMBERED_MAX) this.#recorded.clear();
    const event = this.#eventOf(regarded, happening, this.#options.now());
    const place = { namespace: regarded.namespace, name: event.metadata.name };
    this.#recorded.set(same, { place, count: 1, seenAtMs: nowMs, writtenAtMs: nowMs });
    await this.#options.client.create(RESOURCES.events, event);
  }

  async #count(recorded: Recorded, nowMs: number): Promise<void> {
    recorded.count++;
    recorded.seenAtMs = nowMs;
    if (nowMs - recorded.writtenAtMs < COUNTED_EVERY_MS) return;
    recorded.writtenAtMs = nowMs;
    const series = { count: recorded.count, lastObservedTime: microTime(this.#options.now()) };
    await this.#options.client.mergePatch(RESOURCES.events, recorded.place, { series });
  }

  #isAllowed(whose: string, nowMs: number): boolean {
    if (this.#allowances.size >= REMEMBERED_MAX) this.#allowances.clear();
    const { left, atMs } = this.#allowances.get(whose) ?? { left: BURST, atMs: nowMs };
    const more = Math.floor((nowMs - atMs) / ONE_MORE_MS);
    const present = Math.min(BURST, left + more);
    const isFull = present === BURST;
    this.#allowances.set(whose, { left: Math.max(0, present - 1), atMs: isFull ? nowMs : atMs + more * ONE_MORE_MS });
    return present > 0;
  }

  #eventOf({ namespace, name, uid }: Regarded, { type, reason, action, note }: Happening, nowMs: number): NamedEvent {
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
