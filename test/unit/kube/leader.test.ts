import { beforeEach, describe, expect, it } from "vitest";
import { ApiError } from "../../../kube/errors.ts";
import { LeaderElection, type LeaseClock } from "../../../kube/leader.ts";
import { microTime } from "../../../kube/micro_time.ts";
import type { KubernetesObject } from "../../../kube/objects.ts";

type Lease = KubernetesObject & { spec: Record<string, unknown> };

/** One Lease with optimistic locking; `down` makes every call fail. */
class FakeLeases {
  lease: Lease | undefined;
  down = false;
  #version = 0;

  async get(): Promise<never> {
    this.#check();
    return structuredClone(this.lease) as never;
  }

  async create(_: unknown, object: KubernetesObject): Promise<never> {
    this.#check();
    if (this.lease !== undefined) throw new ApiError("exists", { status: 409, reason: "AlreadyExists" });
    return this.#store(object);
  }

  async replace(_: unknown, object: KubernetesObject): Promise<never> {
    this.#check();
    if (object.metadata.resourceVersion !== this.lease?.metadata.resourceVersion) {
      throw new ApiError("conflict", { status: 409, reason: "Conflict" });
    }
    return this.#store(object);
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

function candidate(identity: string): LeaderElection {
  return new LeaderElection({ client: leases, namespace: "system", name: "lease", identity, clock });
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

  it("loses where another has written the lease", async () => {
    const first = candidate("a");
    await first.acquire();
    const held = first.hold();
    const lease = leases.lease as Lease;
    leases.lease = { ...lease, spec: { ...lease.spec, holderIdentity: "b", renewTime: "now" } };
    await clock.advance(11_000);
    await held;
    expect(first.isLeading).toBe(false);
    expect(leases.lease.spec.holderIdentity).toBe("b");
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
