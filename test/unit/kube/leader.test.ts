import { beforeEach, describe, expect, it } from "vitest";
import { ApiError } from "../../../kube/errors.ts";
import { LeaderElection, type LeaseClock } from "../../../kube/leader.ts";
import { microTime } from "../../../kube/micro_time.ts";
import type { KubernetesObject } from "../../../kube/objects.ts";

type Lease = KubernetesObject & { spec: Record<string, unknown> };

/** One Lease with optimistic locking. `down` makes every call fail, `silent` leaves it without an answer. */
class FakeLeases {
  lease: Lease | undefined;
  down = false;
  silent = false;
  /** How long an answer takes, once what was asked is done. */
  slowMs = 0;
  gets = 0;
  readonly signals: AbortSignal[] = [];
  #version = 0;

  async get(_: unknown, __: unknown, { signal }: { signal?: AbortSignal } = {}): Promise<never> {
    this.gets++;
    if (signal !== undefined) this.signals.push(signal);
    this.#check();
    if (this.silent) await new Promise(() => {});
    return structuredClone(this.lease) as never;
  }

  async create(_: unknown, object: KubernetesObject): Promise<never> {
    this.#check();
    if (this.lease !== undefined) throw new ApiError("exists", { status: 409, reason: "AlreadyExists" });
    const stored = this.#store(object);
    if (this.slowMs > 0) await clock.sleep(this.slowMs);
    return stored;
  }

  async replace(_: unknown, object: KubernetesObject): Promise<never> {
    this.#check();
    if (object.metadata.resourceVersion !== this.lease?.metadata.resourceVersion) {
      throw new ApiError("conflict", { status: 409, reason: "Conflict" });
    }
    const stored = this.#store(object);
    if (this.slowMs > 0) await clock.sleep(this.slowMs);
    return stored;
  }

  #check(): void {
    if (this.down) throw new ApiError("down", { status: 503, reason: "ServiceUnavailable" });
  }

  #store(object: KubernetesObject): never {
    const metadata = { ...object.metadata, resourceVersion: String(++this.#version) };
    this.lease = { ...(object as Lease), metadata };
    return this.lease as never;
  }
}

/** Time that passes only when everybody waits for it. */
class FakeClock implements LeaseClock {
  nowMs = 1_000_000;
  readonly #sleepers: { atMs: number; wake: () => void }[] = [];

  wallMs = (): number => this.nowMs;
  steadyMs = (): number => this.nowMs;

  sleep = (ms: number): Promise<void> => {
    return new Promise((wake) => void this.#sleepers.push({ atMs: this.nowMs + ms, wake }));
  };

  async advance(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    for (;;) {
      for (let turn = 0; turn < 30; turn++) await Promise.resolve();
      const next = this.#sleepers.sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#sleepers.shift();
      this.nowMs = next.atMs;
      next.wake();
    }
    this.nowMs = untilMs;
  }
}

let leases: FakeLeases;
let clock: FakeClock;

beforeEach(() => {
  leases = new FakeLeases();
  clock = new FakeClock();
});

function candidate(identity: string, more: object = {}): LeaderElection {
  return new LeaderElection({ client: leases, namespace: "system", name: "lease", identity, clock, ...more });
}

/** When `hold` returned. */
function lossOf(election: LeaderElection): { atMs: number | undefined } {
  const loss: { atMs: number | undefined } = { atMs: undefined };
  void election.hold().then(() => {
    loss.atMs = clock.nowMs;
  });
  return loss;
}

describe("leader election", () => {
  it("takes a lease that nobody has, with times of six digits", async () => {
    const first = candidate("a");
    await expect(first.acquire()).resolves.toBe(true);
    expect(first.isLeading).toBe(true);
    expect(leases.lease?.spec).toMatchObject({ holderIdentity: "a", leaseDurationSeconds: 15, leaseTransitions: 0 });
    expect(leases.lease?.spec.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  });

  it("lets only one of two lead, and the second follow when the first is silent for the lease's duration", async () => {
    await candidate("a").acquire();
    const second = candidate("b");
    const acquired = second.acquire();
    await clock.advance(14_000);
    expect(second.isLeading).toBe(false);
    await clock.advance(4000);
    await expect(acquired).resolves.toBe(true);
    expect(leases.lease?.spec).toMatchObject({ holderIdentity: "b", leaseTransitions: 1 });
  });

  it("tells who leads, once for each who does", async () => {
    const first = candidate("a");
    await first.acquire();
    const holding = first.hold();
    const told: string[] = [];
    const second = candidate("b", { onHolder: (identity: string) => void told.push(identity) });
    void second.acquire();
    await clock.advance(20_000);
    expect(told).toEqual(["a"]);
    leases.lease = { ...leases.lease!, spec: { ...leases.lease!.spec, holderIdentity: "c" } };
    await clock.advance(10_000);
    expect(told).toEqual(["a", "c"]);
    await holding;
    await second.stop();
  });

  it("does not believe the other's clock: a lease that is renewed stays, whatever its times say", async () => {
    await candidate("a").acquire();
    const second = candidate("b");
    void second.acquire();
    for (let round = 0; round < 20; round++) {
      const lease = leases.lease as Lease;
      leases.lease = { ...lease, spec: { ...lease.spec, renewTime: microTime(round) } };
      await clock.advance(2000);
    }
    expect(second.isLeading).toBe(false);
    await second.stop();
  });

  it("holds on while it can renew, also after short failures", async () => {
    const first = candidate("a");
    await first.acquire();
    let lost = false;
    void first.hold().then(() => {
      lost = true;
    });
    await clock.advance(60_000);
    leases.down = true;
    await clock.advance(7000);
    leases.down = false;
    await clock.advance(60_000);
    expect([lost, first.isLeading]).toEqual([false, true]);
    await first.stop();
  });

  it("gives up before another can take over", async () => {
    const first = candidate("a");
    await first.acquire();
    let lostAtMs = 0;
    void first.hold().then(() => {
      lostAtMs = clock.nowMs;
    });
    await clock.advance(4000);
    const renewedAtMs = clock.nowMs;
    leases.down = true;
    await clock.advance(15_000);
    expect(first.isLeading).toBe(false);
    expect(lostAtMs - renewedAtMs).toBeLessThanOrEqual(10_000);
    expect(lostAtMs).toBeGreaterThan(renewedAtMs);
  });

  it("leads no more as soon as it reads another's name", async () => {
    const first = candidate("a");
    await first.acquire();
    const loss = lossOf(first);
    await clock.advance(5000);
    const lease = leases.lease as Lease;
    leases.lease = { ...lease, spec: { ...lease.spec, holderIdentity: "b", renewTime: "now" } };
    const writtenAtMs = clock.nowMs;
    await clock.advance(2000);
    expect(first.isLeading).toBe(false);
    expect(loss.atMs! - writtenAtMs).toBeLessThanOrEqual(2000);
    await clock.advance(60_000);
    expect(leases.lease.spec.holderIdentity).toBe("b");
  });

  it("counts from before the request that took the lease, not from its answer", async () => {
    leases.slowMs = 4000;
    const first = candidate("a");
    const askedAtMs = clock.nowMs;
    const acquired = first.acquire();
    await clock.advance(4000);
    await expect(acquired).resolves.toBe(true);
    const loss = lossOf(first);
    leases.down = true;
    await clock.advance(20_000);
    expect(loss.atMs! - askedAtMs).toBeLessThanOrEqual(10_000);
  });

  it("counts from before the request that renewed the lease, not from its answer", async () => {
    const first = candidate("a");
    await first.acquire();
    const loss = lossOf(first);
    leases.slowMs = 4000;
    await clock.advance(1999);
    const askedAtMs = clock.nowMs + 1;
    await clock.advance(4001);
    leases.down = true;
    await clock.advance(20_000);
    expect(loss.atMs! - askedAtMs).toBe(10_000);
  });

  it("does not wait for an answer for ever: it asks anew after 5 s, and takes what was given meanwhile", async () => {
    const errors: string[] = [];
    leases.silent = true;
    const first = candidate("a", { onError: ({ message }: Error) => errors.push(message) });
    const acquired = first.acquire();
    await clock.advance(13_000);
    expect(leases.gets).toBe(2);
    expect(errors).toEqual(["no answer within 5000 ms", "no answer within 5000 ms"]);
    expect(leases.signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    leases.silent = false;
    await clock.advance(2000);
    await expect(acquired).resolves.toBe(true);
  });

  it("leads only once an answer came in time: a lease that was taken without one is asked for again", async () => {
    leases.slowMs = 6000;
    const first = candidate("a");
    const acquired = first.acquire();
    await clock.advance(6000);
    expect(leases.lease?.spec.holderIdentity).toBe("a");
    expect(first.isLeading).toBe(false);
    leases.slowMs = 0;
    await clock.advance(3000);
    await expect(acquired).resolves.toBe(true);
  });

  it("is no leader after a standstill, before anything of it has run", async () => {
    const first = candidate("a");
    await first.acquire();
    lossOf(first);
    clock.nowMs += 9_999;
    expect(first.isLeading).toBe(true);
    clock.nowMs += 1;
    expect(first.isLeading).toBe(false);
  });

  it("tells when the API server answers again", async () => {
    const told: string[] = [];
    const first = candidate("a", { onError: () => told.push("error"), onAnswer: () => told.push("answer") });
    leases.down = true;
    void first.acquire();
    await clock.advance(0);
    leases.down = false;
    await clock.advance(2000);
    expect(told).toEqual(["error", "answer"]);
    await first.stop();
  });

  it("gives the lease back when it stops, so that another need not wait", async () => {
    const first = candidate("a");
    await first.acquire();
    await first.stop();
    const second = candidate("b");
    await expect(second.acquire()).resolves.toBe(true);
    expect(leases.lease?.spec.holderIdentity).toBe("b");
  });

  it("leads no more once it has resigned, and gives back what comes too late", async () => {
    await candidate("a").acquire();
    const second = candidate("b");
    const acquired = second.acquire();
    await clock.advance(10_000);
    second.resign();
    await clock.advance(10_000);
    await expect(acquired).resolves.toBe(false);
    expect(leases.lease?.spec.holderIdentity).toBe("a");

    const third = candidate("c");
    leases.lease = undefined;
    const late = third.acquire();
    third.resign();
    await third.stop();
    await expect(late).resolves.toBe(false);
    expect(third.isLeading).toBe(false);
    expect(leases.lease).toMatchObject({ spec: { holderIdentity: "" } });
  });
});
