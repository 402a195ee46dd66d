import { setTimeout as sleepFor } from "node:timers/promises";
import type { ApiClient } from "./client.ts";
import type { Lease } from "./client_library.ts";
import { hasStatus } from "./errors.ts";
import { microTime } from "./micro_time.ts";
import { apiVersionOf, RESOURCES } from "./resources.ts";

export interface LeaseClock {
  /** Wall clock, for what is written; milliseconds since 1970. */
  wallMs(): number;
  /** A clock that never jumps, for every decision. */
  steadyMs(): number;
  sleep(ms: number): Promise<void>;
}

export interface LeaderOptions {
  readonly client: Pick<ApiClient, "get" | "create" | "replace">;
  readonly namespace: string;
  readonly name: string;
  /** Who this is: unique among all that may ever run. */
  readonly identity: string;
  readonly clock?: LeaseClock;
  onError?(error: Error): void;
}

/** As controller-runtime has them. */
export const LEASE_DURATION_MS = 15_000;
export const RENEW_DEADLINE_MS = 10_000;
export const RETRY_MS = 2000;

export const SYSTEM_CLOCK: LeaseClock = {
  wallMs: () => Date.now(),
  steadyMs: () => performance.now(),
  sleep: async (ms) => void (await sleepFor(ms)),
};

/**
 * Leadership by a Lease. Whether another holder's lease has run out is decided by how long it has been seen unchanged on
 * this machine's steady clock, so clocks of different machines need not agree. A holder that cannot renew for 10 s is no
 * leader any more, 5 s before another can be: whoever held the lease must stop at once when `hold` returns.
 */
export class LeaderElection {
  readonly #options: LeaderOptions;
  readonly #clock: LeaseClock;
  #seen: { text: string; atMs: number } | undefined;
  #resigned = false;
  #stopped = false;
  #leading = false;
  /** The request to take or renew the lease that is under way. */
  #pending: Promise<boolean> | undefined;

  constructor(options: LeaderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
  }

  get isLeading(): boolean {
    return this.#leading;
  }

  /** Waits until this is the leader. False: resigned before. */
  async acquire(): Promise<boolean> {
    while (!this.#resigned) {
      if (await this.#attempt()) {
        this.#leading = true;
        return !this.#resigned;
      }
      await this.#clock.sleep(RETRY_MS);
    }
    return false;
  }

  /** Renews until the lease is lost or `stop` is called. */
  async hold(): Promise<void> {
    let renewedAtMs = this.#clock.steadyMs();
    while (!this.#stopped) {
      await this.#clock.sleep(RETRY_MS);
      if (this.#stopped) break;
      const startedAtMs = this.#clock.steadyMs();
      const isRenewed = await this.#withinDeadline(renewedAtMs);
      if (isRenewed) renewedAtMs = startedAtMs;
      else if (this.#clock.steadyMs() - renewedAtMs >= RENEW_DEADLINE_MS) break;
    }
    this.#leading = false;
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
    const wasLeading = this.#leading;
    this.#stopped = true;
    this.#leading = false;
    if (!wasLeading) return;
    try {
      const lease = await this.#read();
      if (lease?.spec?.holderIdentity !== this.#options.identity) return;
      await this.#write(lease, { ...lease.spec, holderIdentity: "", leaseDurationSeconds: 1 });
    } catch (error) {
      this.#options.onError?.(error as Error);
    }
  }

  /** An answer after the deadline is as good as none: the caller must not wait for it. */
  async #withinDeadline(renewedAtMs: number): Promise<boolean> {
    const leftMs = Math.max(0, renewedAtMs + RENEW_DEADLINE_MS - this.#clock.steadyMs());
    return Promise.race([this.#attempt(), this.#clock.sleep(leftMs).then(() => false)]);
  }

  #attempt(): Promise<boolean> {
    this.#pending = this.#tryOnce();
    return this.#pending;
  }

  async #tryOnce(): Promise<boolean> {
    try {
      return await this.#takeOrRenew();
    } catch (error) {
      // 409: another was faster. That is an answer, not a failure.
      if (!hasStatus(error, 409)) this.#options.onError?.(error as Error);
      return false;
    }
  }

  async #takeOrRenew(): Promise<boolean> {
    const { identity } = this.#options;
    const lease = await this.#read();
    if (lease === undefined) {
      await this.#options.client.create(RESOURCES.leases, this.#fresh());
      return true;
    }
    const spec = lease.spec ?? {};
    const isOurs = spec.holderIdentity === identity;
    if (!isOurs && spec.holderIdentity && !this.#hasExpired(spec)) return false;
    const now = microTime(this.#clock.wallMs());
    const transitions = spec.leaseTransitions ?? 0;
    await this.#write(lease, {
      holderIdentity: identity,
      leaseDurationSeconds: LEASE_DURATION_MS / 1000,
      acquireTime: isOurs ? (spec.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: isOurs ? transitions : transitions + 1,
    });
    return true;
  }

  #hasExpired(spec: NonNullable<Lease["spec"]>): boolean {
    const text = JSON.stringify([spec.holderIdentity, spec.renewTime, spec.leaseTransitions]);
    const nowMs = this.#clock.steadyMs();
    if (this.#seen?.text !== text) this.#seen = { text, atMs: nowMs };
    return nowMs - this.#seen.atMs > (spec.leaseDurationSeconds ?? LEASE_DURATION_MS / 1000) * 1000;
  }

  #read(): Promise<Lease | undefined> {
    const { client, namespace, name } = this.#options;
    return client.get<Lease>(RESOURCES.leases, { namespace, name });
  }

  async #write(lease: Lease, spec: NonNullable<Lease["spec"]>): Promise<void> {
    await this.#options.client.replace<Lease>(RESOURCES.leases, { ...lease, spec });
  }

  #fresh(): Lease {
    const { namespace, name, identity } = this.#options;
    const now = microTime(this.#clock.wallMs());
    return {
      apiVersion: apiVersionOf(RESOURCES.leases),
      kind: RESOURCES.leases.kind,
      metadata: { namespace, name },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: LEASE_DURATION_MS / 1000,
        acquireTime: now,
        renewTime: now,
        leaseTransitions: 0,
      },
    };
  }
}
