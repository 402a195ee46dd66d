import { type Backoff, fullJitter, pause } from "./backoff.ts";
import type { ApiClient, Collection, WatchEvent } from "./client.ts";
import { ApiError, GONE, hasStatus } from "./errors.ts";
import { type KubernetesObject, keyOf } from "./objects.ts";
import { nextTurn } from "./turns.ts";

/** Where a change was learned from: a watch saw it happen, a list only shows that it has. */
export type Origin = "list" | "watch";

export interface Change<T> {
  readonly key: string;
  /** Undefined: the object is gone. */
  readonly value: T | undefined;
  readonly before: T | undefined;
  readonly origin: Origin;
}

export interface InformerTimes {
  /** After how long the API server ends a watch in order. */
  readonly watchSeconds: number;
  /** After how long without an octet (bookmarks come once a minute) a stream is taken for dead. */
  readonly stallMs: number;
  /** How often everything is listed anew, whatever the watch said. */
  readonly relistMs: number;
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
}

export interface InformerOptions<T> {
  readonly client: ApiClient;
  readonly collection: Collection;
  /** What is kept of an object. Undefined: nothing, the object is as good as not there. */
  project(object: KubernetesObject): T | undefined;
  onChange(change: Change<T>): void;
  /** Told of everything that went wrong; the informer goes on by itself. */
  onError(error: Error): void;
  /** Told once a watch works again after that. */
  onRecovered?(): void;
  readonly times?: Partial<InformerTimes>;
  readonly random?: () => number;
}

export interface InformerStats {
  /** Whether the cache has ever held everything. It stays filled, and true, while the API server is away. */
  readonly synced: boolean;
  /** Whether the last attempt to list or watch succeeded: of a watch, whether its answer has begun. */
  readonly connected: boolean;
  readonly lists: number;
  readonly watches: number;
  readonly stalls: number;
  readonly errors: number;
  /** Since the last sign of life, in milliseconds. */
  readonly lastEventAgeMs: number;
}

interface Entry<T> {
  readonly value: T | undefined;
  readonly resourceVersion: string;
  /** How many lists had begun when it came. */
  readonly epoch: number;
}

/** An object, as far as it is kept, that is not taken yet. */
interface Offer<T> {
  readonly key: string;
  readonly value: T | undefined;
  readonly resourceVersion: string;
}

const DEFAULT_TIMES: InformerTimes = {
  watchSeconds: 240,
  stallMs: 90_000,
  relistMs: 600_000,
  backoffBaseMs: 500,
  backoffMaxMs: 30_000,
};

/**
 * A cache of one collection that follows the API server for as long as it lives: list, watch, resume where the watch
 * ended, list again where the API server no longer knows the place (410), wait with full jitter after failures, take a
 * silent stream for dead, and list everything from time to time. Nothing is ever cleared because a connection is lost.
 */
export class Informer<T> {
  readonly #options: InformerOptions<T>;
  readonly #times: InformerTimes;
  readonly #backoff: Backoff;
  readonly #entries = new Map<string, Entry<T>>();
  readonly #stop = new AbortController();
  readonly #counts = { lists: 0, watches: 0, stalls: 0, errors: 0 };
  #synced = false;
  #connected = false;
  #isInTrouble = false;
  #resourceVersion: string | undefined;
  #nextListAtMs = 0;
  #epoch = 0;
  #goneInARow = 0;
  #lastEventAtMs = performance.now();
  #running: Promise<void> | undefined;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.#times = { ...DEFAULT_TIMES, ...options.times };
    const { backoffBaseMs: baseMs, backoffMaxMs: maxMs } = this.#times;
    this.#backoff = fullJitter({ baseMs, maxMs, ...(options.random === undefined ? {} : { random: options.random }) });
  }

  get(key: string): T | undefined {
    return this.#entries.get(key)?.value;
  }

  values(): T[] {
    return [...this.#entries.values()].flatMap(({ value }) => (value === undefined ? [] : [value]));
  }

  keys(): string[] {
    return [...this.#entries.keys()];
  }

  stats(): InformerStats {
    const lastEventAgeMs = performance.now() - this.#lastEventAtMs;
    return { synced: this.#synced, connected: this.#connected, ...this.#counts, lastEventAgeMs };
  }

  /**
   * Takes the answer to an own write at once, so that nothing is decided on what was before it. What the watch has gone
   * past without it is deleted already, though the answer came later.
   */
  assume(object: KubernetesObject): void {
    const { resourceVersion = "" } = object.metadata;
    const isPast = isOlder(resourceVersion, this.#resourceVersion) || resourceVersion === this.#resourceVersion;
    if (isPast && !this.#entries.has(keyOf(object))) return;
    this.#set(this.#offerOf(object), "watch");
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#follow();
      } catch (error) {
        if (!signal.aborted) await this.#recover(error as Error);
      }
    }
  }

  async #follow(): Promise<void> {
    if (this.#resourceVersion === undefined || performance.now() >= this.#nextListAtMs) await this.#list();
    await this.#watch(this.#resourceVersion ?? "");
  }

  async #recover(error: Error): Promise<void> {
    if (hasStatus(error, GONE)) {
      this.#resourceVersion = undefined;
      // The first 410 is how resuming ends in order; another one without an event between is not.
      if (this.#goneInARow++ === 0) return;
    }
    this.#connected = false;
    this.#isInTrouble = true;
    this.#counts.errors++;
    this.#options.onError(error);
    const askedMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
    await pause(Math.max(this.#backoff.next(), askedMs), this.#stop.signal);
  }

  /** Pages are looked at with turns between; then all is taken in one: half of a list is no state that ever was. */
  async #list(): Promise<void> {
    this.#epoch++;
    const offers: Offer<T>[] = [];
    let resourceVersion: string | undefined;
    for await (const page of this.#options.client.pages(this.#options.collection)) {
      ({ resourceVersion } = page);
      for (const object of page.items) {
        await nextTurn();
        offers.push(this.#offerOf(object));
      }
    }
    if (this.#stop.signal.aborted) return;
    this.#counts.lists++;
    this.#takeList(offers, resourceVersion);
    this.#resourceVersion = resourceVersion;
    this.#synced = true;
    this.#alive();
    const jitter = 0.9 + 0.2 * (this.#options.random ?? Math.random)();
    this.#nextListAtMs = performance.now() + this.#times.relistMs * jitter;
  }

  #offerOf(object: KubernetesObject): Offer<T> {
    const key = keyOf(object);
    const { resourceVersion = "" } = object.metadata;
    const entry = this.#entries.get(key);
    if (entry?.resourceVersion === resourceVersion) return { key, resourceVersion, value: entry.value };
    return { key, resourceVersion, value: this.#guard(() => this.#options.project(object)) };
  }

  #takeList(offers: readonly Offer<T>[], listVersion: string | undefined): void {
    const present = new Set<string>();
    for (const offer of offers) {
      present.add(offer.key);
      this.#set(offer, "list");
    }
    for (const [key, { resourceVersion, epoch }] of [...this.#entries]) {
      const isNewer = epoch === this.#epoch && isOlder(listVersion, resourceVersion);
      if (!present.has(key) && !isNewer) this.#remove(key, "list");
    }
  }

  async #watch(resourceVersion: string): Promise<void> {
    const stream = new AbortController();
    const stall = setTimeout(() => {
      this.#counts.stalls++;
      stream.abort(new Error(`the watch was silent for ${this.#times.stallMs} ms`));
    }, this.#times.stallMs);
    const signal = AbortSignal.any([stream.signal, this.#stop.signal]);
    const onActivity = (): void => void stall.refresh();
    const onOpen = (): void => {
      this.#connected = true;
    };
    this.#counts.watches++;
    const startedAtMs = performance.now();
    try {
      const options = { resourceVersion, timeoutSeconds: this.#times.watchSeconds, signal, onOpen, onActivity };
      for await (const event of this.#options.client.watch(this.#options.collection, options)) {
        this.#take(event);
        await nextTurn();
      }
    } finally {
      clearTimeout(stall);
    }
    // A server that ends every watch at once must not be asked again at once.
    if (performance.now() - startedAtMs < 1000) await pause(this.#backoff.next(), this.#stop.signal);
    else this.#follows();
  }

  /** A list alone is no recovery: where every watch fails, it comes before each of them. */
  #follows(): void {
    this.#alive();
    if (this.#isInTrouble) this.#options.onRecovered?.();
    this.#isInTrouble = false;
  }

  #take(event: WatchEvent): void {
    this.#follows();
    this.#goneInARow = 0;
    if (event.type === "BOOKMARK") {
      this.#resourceVersion = event.resourceVersion;
      return;
    }
    this.#resourceVersion = event.object.metadata.resourceVersion;
    if (event.type === "DELETED") this.#takeDeletion(event.object);
    else this.#set(this.#offerOf(event.object), "watch");
  }

  #alive(): void {
    this.#connected = true;
    this.#lastEventAtMs = performance.now();
    this.#backoff.reset();
  }

  #set({ key, resourceVersion, value }: Offer<T>, origin: Origin): void {
    const entry = this.#entries.get(key);
    // What was assumed since a list began may be newer than that.
    const isBelieved = origin === "list" && entry?.epoch !== this.#epoch;
    if (entry !== undefined && isKnown(entry.resourceVersion, resourceVersion, isBelieved)) return;
    this.#entries.set(key, { value, resourceVersion, epoch: this.#epoch });
    this.#tell({ key, value, before: entry?.value, origin });
  }

  /** Of an object that was made anew under the same name meanwhile, only the former is gone. */
  #takeDeletion(object: KubernetesObject): void {
    const key = keyOf(object);
    if (isOlder(object.metadata.resourceVersion, this.#entries.get(key)?.resourceVersion)) return;
    this.#remove(key, "watch");
  }

  #remove(key: string, origin: Origin): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#tell({ key, value: undefined, before: entry.value, origin });
  }

  #tell(change: Change<T>): void {
    if (change.value === undefined && change.before === undefined) return;
    this.#guard(() => this.#options.onChange(change));
  }

  /** A handler that throws must not end the watch. */
  #guard<R>(act: () => R): R | undefined {
    try {
      return act();
    } catch (error) {
      this.#counts.errors++;
      this.#options.onError(error as Error);
      return undefined;
    }
  }
}

/**
 * Versions of one resource grow, so what is behind an assumed write brings nothing new. A list is believed in any other
 * case: after a restore from backup versions may be lower.
 */
function isKnown(known: string, offered: string, isBelieved: boolean): boolean {
  return known === offered || (!isBelieved && isOlder(offered, known));
}

/** False where one of them is no number (KEP-5504 promises that they are). */
function isOlder(version: string | undefined, than: string | undefined): boolean {
  const isNumber = (text: string | undefined): text is string => /^[0-9]+$/.test(text ?? "");
  return isNumber(version) && isNumber(than) && BigInt(version) < BigInt(than);
}
