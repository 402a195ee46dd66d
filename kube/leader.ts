import { setTimeout as sleepFor } from "node:timers/promises";
import type { ApiClient } from "./client.ts";
import type { Lease } from "./client_library.ts";
import { hasStatus } from "./errors.ts";
import { heldBy, LeaseExpiry, type LeaseSpec, RENEW_DEADLINE_MS, RETRY_MS, released } from "./lease_record.ts";
import { apiVersionOf, RESOURCES } from "./resources.ts";

export interface LeaseClock {
  /** Wall clock, for what is written; milliseconds since 1970. */
  wallMs(): number;
  /** A clock that never jumps, for every decision. */
  steadyMs(): number;
  /** Ends early, without an error, when the signal is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface LeaderOptions {
  readonly client: Pick<ApiClient, "get" | "create" | "replace">;
  readonly namespace: string;
  readonly name: string;
  /** Who this is: unique among all that may ever run. */
  readonly identity: string;
  readonly clock?: LeaseClock;
  onError?(error: Error): void;
  /** Another holds the lease: who, each time that it is somebody else than before. */
  onHolder?(identity: string): void;
  /** The API server answers again. */
  onAnswer?(): void;
}

/** client-go's bound of a request: a leader whose API server is silent has a second try before its deadline. */
const ATTEMPT_MS = RENEW_DEADLINE_MS / 2;

export const SYSTEM_CLOCK: LeaseClock = {
  wallMs: () => Date.now(),
  steadyMs: () => performance.now(),
  sleep: async (ms, signal) => {
    await sleepFor(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {});
  },
};

/** What became of a lease: it is ours, another has it, or nobody knows. */
type Outcome = "ours" | "others" | "unknown";

/**
 * Leadership by a Lease. A holder that has not renewed for 10 s, counted from before the request that did, is no leader any
 * more, 5 s before another can be; one that reads another's name is none at once. Whoever held the lease must stop when
 * `hold` returns.
 */
export class LeaderElection {
  readonly #options: LeaderOptions;
  readonly #clock: LeaseClock;
  readonly #expiry = new LeaseExpiry();
  #toldHolder = "";
  #resigned = false;
  #stopped = false;
  /** When the request that last took or renewed the lease began. Undefined: it is not ours. */
  #renewedAtMs: number | undefined;
  /** The request to take or renew the lease that is under way. */
  #pending: Promise<Outcome> | undefined;

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  /** By the clock, not by what runs: a process that stood still for long is no leader when it goes on. */
  get isLeading(): boolean {
    return this.#leftMs() > 0;
  }

  /** Waits until this is the leader. False: resigned before. */
  async acquire(): Promise<boolean> {
    while (!this.#resigned) {
      if ((await this.#attempt(ATTEMPT_MS)) === "ours" && this.isLeading) return !this.#resigned;
      await this.#clock.sleep(RETRY_MS);
    }
    return false;
  }

  /** Renews until the lease is lost or `stop` is called. */
  async hold(): Promise<void> {
    while (!this.#stopped && this.isLeading) {
      await this.#clock.sleep(Math.min(RETRY_MS, this.#leftMs()));
      if (this.#stopped || !this.isLeading) break;
      if ((await this.#attempt(Math.min(ATTEMPT_MS, this.#leftMs()))) === "others") break;
    }
    if (!this.#stopped) this.#renewedAtMs = undefined;
  }

  /** Takes no lease any more; one that is held stays until `stop`, so that work in hand can end. */
  resign(): void {
    this.#resigned = true;
  }

  /** Gives the lease up, so that another can have it at once. */
  async stop(): Promise<void> {
    this.#resigned = true;
    // Its answer may be the lease, or the version of the lease that is to be given back.
    await this.#pending;
    const wasHeld = this.#renewedAtMs !== undefined;
    this.#stopped = true;
    this.#renewedAtMs = undefined;
    if (wasHeld) await this.#within(ATTEMPT_MS, (signal) => this.#release(signal));
  }

  #leftMs(): number {
    if (this.#renewedAtMs === undefined) return 0;
    return Math.max(0, this.#renewedAtMs + RENEW_DEADLINE_MS - this.#clock.steadyMs());
  }

  #attempt(withinMs: number): Promise<Outcome> {
    const startedAtMs = this.#clock.steadyMs();
    const attempt = async (): Promise<Outcome> => {
      const outcome = (await this.#within(withinMs, (signal) => this.#takeOrRenew(signal))) ?? "unknown";
      if (outcome === "ours") this.#renewedAtMs = startedAtMs;
      return outcome;
    };
    this.#pending = attempt();
    return this.#pending;
  }

  /** Undefined: it failed, or there was no answer in time; one that comes later is as good as none. */
  async #within<T>(ms: number, act: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    const request = new AbortController();
    const answered = new AbortController();
    const late = this.#clock.sleep(ms, answered.signal).then(() => {
      if (!answered.signal.aborted) throw new Error(`no answer within ${ms} ms`);
      return undefined;
    });
    try {
      const answer = await Promise.race([act(request.signal), late]);
      this.#options.onAnswer?.();
      return answer;
    } catch (error) {
      // 409: another was faster. That is an answer, not a failure.
      if (!hasStatus(error, 409)) this.#options.onError?.(error as Error);
      return undefined;
    } finally {
      answered.abort();
      request.abort();
    }
  }

  async #takeOrRenew(signal: AbortSignal): Promise<Outcome> {
    const { client, identity } = this.#options;
    const lease = await this.#read(signal);
    const wallMs = this.#clock.wallMs();
    if (lease === undefined) {
      await client.create(RESOURCES.leases, this.#leaseOf(heldBy(identity, undefined, wallMs)), { signal });
      return "ours";
    }
    const spec = lease.spec ?? {};
    if (spec.holderIdentity && spec.holderIdentity !== identity) {
      this.#tellHolder(spec.holderIdentity);
      // Whoever led and is followed by another must not take the lease back as if nothing had been.
      if (this.#renewedAtMs !== undefined || !this.#expiry.hasExpired(spec, this.#clock.steadyMs())) return "others";
    }
    await this.#write(lease, heldBy(identity, spec, wallMs), signal);
    return "ours";
  }

  #tellHolder(identity: string): void {
    if (identity === this.#toldHolder) return;
    this.#toldHolder = identity;
    this.#options.onHolder?.(identity);
  }

  async #release(signal: AbortSignal): Promise<void> {
    const lease = await this.#read(signal);
    if (lease?.spec?.holderIdentity !== this.#options.identity) return;
    await this.#write(lease, released(lease.spec), signal);
  }

  #read(signal: AbortSignal): Promise<Lease | undefined> {
    const { client, namespace, name } = this.#options;
    return client.get<Lease>(RESOURCES.leases, { namespace, name }, { signal });
  }

  async #write(lease: Lease, spec: LeaseSpec, signal: AbortSignal): Promise<void> {
    await this.#options.client.replace<Lease>(RESOURCES.leases, { ...lease, spec }, { signal });
  }

  #leaseOf(spec: LeaseSpec): Lease {
    const { namespace, name } = this.#options;
    const { leases } = RESOURCES;
    return { apiVersion: apiVersionOf(leases), kind: leases.kind, metadata: { namespace, name }, spec };
  }
}
