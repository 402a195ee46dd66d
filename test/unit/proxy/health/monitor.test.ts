import { beforeEach, describe, expect, it } from "vitest";
import { type Forwarding, HealthMonitor, type HealthPlan, LOOK_MS } from "../../../../proxy/health/monitor.ts";
import type { NewFlowShares } from "../../../../proxy/health/shares.ts";
import type { Traffic } from "../../../../proxy/health/state.ts";
import { fakeLog, type LogLine } from "../apply/fakes.ts";
import { countingOctets, FakeProbeNetwork, type SentProbe } from "./fakes.ts";
import { ACTIVE_ONLY, CONFIG, NO_TRAFFIC, PASSIVE_ONLY } from "./states.ts";

const STEP_MS = 50;
const ADDRESSES = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::4"];
const NAMES = ["10.0.0.1:443", "10.0.0.2:443", "10.0.0.3:443", "[2001:db8::4]:443"];

/** Counts as the data plane would, and remembers what it is told. */
class FakeForwarding implements Forwarding {
  readonly drained: string[][] = [];
  readonly onTrial: string[][] = [];
  readonly counters = new Map<string, Traffic>();
  failWith: Error | undefined;

  readTraffic = (): ReadonlyMap<string, Traffic> => new Map(this.counters);

  share({ drained, onTrial }: NewFlowShares): void {
    if (this.failWith) throw this.failWith;
    this.drained.push([...drained]);
    this.onTrial.push([...onTrial]);
  }

  count(name: string, counts: Partial<Traffic>): void {
    const before = this.counters.get(name) ?? NO_TRAFFIC;
    const keys = Object.keys(before) as (keyof Traffic)[];
    this.counters.set(name, Object.fromEntries(keys.map((key) => [key, before[key] + (counts[key] ?? 0)])) as never);
  }
}

let network: FakeProbeNetwork;
let forwarding: FakeForwarding;
let lines: LogLine[];
let nowMs: number;
let timers: Set<{ intervalMs: number; act: () => void }>;
let dead: Set<string>;

beforeEach(() => {
  network = new FakeProbeNetwork();
  forwarding = new FakeForwarding();
  for (const name of NAMES) forwarding.count(name, {});
  nowMs = 0;
  timers = new Set();
  dead = new Set();
});

function planOf(health: HealthPlan["health"], addresses: readonly string[] = ADDRESSES, weight = 1): HealthPlan {
  return { health, backends: addresses.map((address) => ({ address, port: 443, weight })) };
}

function start(plan: HealthPlan): HealthMonitor {
  const fake = fakeLog();
  lines = fake.lines;
  return new HealthMonitor(plan, forwarding, {
    log: fake.log,
    clock: () => nowMs,
    random: () => 0.5,
    openSocket: network.openSocket,
    randomOctets: countingOctets(),
    every: (intervalMs, act) => {
      const timer = { intervalMs, act };
      timers.add(timer);
      return () => timers.delete(timer);
    },
  });
}

/** Lets time pass; every backend that is not dead answers its probes. */
function pass(durationMs: number): SentProbe[] {
  const all: SentProbe[] = [];
  for (const endMs = nowMs + durationMs; nowMs < endMs; ) {
    nowMs += STEP_MS;
    for (const { intervalMs, act } of timers) if (nowMs % intervalMs === 0) act();
    const sent = network.take();
    all.push(...sent);
    for (const probe of sent) if (!dead.has(probe.to.address)) network.answer(probe);
  }
  return all;
}

/** What was said of changes. */
const said = (text: string): LogLine[] =>
  lines.filter(({ message }) => message.includes(text) && !message.startsWith("backend health: "));

describe("active checks", () => {
  it("a backend that stops answering is drained, and is back when it answers again", () => {
    const monitor = start(planOf(ACTIVE_ONLY));
    pass(6000);
    expect(monitor.report()).toMatchObject({ active: "Running", passive: "Disabled", healthy: 4, panic: false });
    dead.add("10.0.0.2");
    pass(20_000);
    expect(forwarding.drained).toEqual([[NAMES[1]]]);
    expect(said("unhealthy")[0]).toMatchObject({
      level: "warn",
      message: `backend ${NAMES[1]} is unhealthy: 3 probes in a row without answer; 3 of 4 are healthy`,
      fields: { backend: NAMES[1], reason: "ProbesUnanswered", healthy: 3, backends: 4 },
    });
    expect(monitor.report()?.backends[NAMES[1]!]).toMatchObject({ state: "Unhealthy", reason: "ProbesUnanswered" });
    dead.clear();
    pass(12_000);
    expect(forwarding.drained).toEqual([[NAMES[1]], []]);
    expect(monitor.report()).toMatchObject({ healthy: 4, changes: { healthy: 1, unhealthy: 1 } });
  });

  it("all dead: panic, said once, and nothing is drained any more", () => {
    const monitor = start(planOf(ACTIVE_ONLY));
    pass(6000);
    for (const address of ADDRESSES) dead.add(address);
    pass(30_000);
    expect(forwarding.drained.at(-1) ?? []).toEqual([]);
    expect(monitor.report()).toMatchObject({ panic: true, healthy: 0, unhealthy: 4 });
    expect(said("panic").map(({ level }) => level)).toEqual(["warn"]);
    expect(said("panic")[0]!.message).toMatch(/[01] of 4 backends are healthy, .*: all are treated as healthy/);
    dead.clear();
    pass(12_000);
    expect(said("panic ended")).toHaveLength(1);
  });

  it("nobody ever answers: suspended, said once, probes get rare, nothing is drained", () => {
    for (const address of ADDRESSES) dead.add(address);
    const monitor = start(planOf(ACTIVE_ONLY));
    pass(20_000);
    expect(monitor.report()).toMatchObject({ active: "Suspended", panic: false, healthy: 4 });
    expect(said("is it QUIC?")).toHaveLength(1);
    pass(5000);
    const rare = pass(100_000).length;
    expect(rare).toBeGreaterThanOrEqual(4);
    expect(rare).toBeLessThanOrEqual(12);
    expect(forwarding.drained).toEqual([]);
    dead.clear();
    pass(60_000);
    expect(monitor.report()?.active).toBe("Running");
    expect(said("active checks count again")).toHaveLength(1);
  });
});

describe("passive checks", () => {
  const serve = (name: string): void =>
    forwarding.count(name, { forwarded: 40, returned: 40, flowsCreated: 9, flowsAnswered: 9 });

  it("send nothing", () => {
    start(planOf(PASSIVE_ONLY));
    expect(pass(60_000)).toEqual([]);
  });

  it("a backend that refuses is drained at the next look, and tried again after the back-off", () => {
    start(planOf(PASSIVE_ONLY));
    pass(LOOK_MS);
    forwarding.count(NAMES[0]!, { refused: 3 });
    pass(LOOK_MS);
    expect(forwarding.drained).toEqual([[NAMES[0]]]);
    pass(29_000);
    expect(forwarding.drained).toHaveLength(1);
    pass(1000);
    expect(forwarding.drained).toEqual([[NAMES[0]], []]);
    expect(forwarding.onTrial.at(-1)).toEqual([NAMES[0]]);
    forwarding.count(NAMES[0]!, { refused: 1 });
    pass(LOOK_MS);
    pass(59_000);
    expect(forwarding.drained).toHaveLength(3);
    pass(1000);
    expect(forwarding.drained).toHaveLength(4);
  });

  it("one answer ends a trial, and a manifest that is applied meanwhile keeps the small share", () => {
    const monitor = start(planOf(PASSIVE_ONLY));
    pass(LOOK_MS);
    forwarding.count(NAMES[0]!, { refused: 3 });
    pass(31 * LOOK_MS);
    expect(forwarding.onTrial).toEqual([[], [NAMES[0]]]);
    expect([...monitor.sharesFor(planOf(PASSIVE_ONLY)).onTrial]).toEqual([NAMES[0]]);
    monitor.adopt(planOf(PASSIVE_ONLY));
    pass(LOOK_MS);
    expect(forwarding.onTrial).toHaveLength(2);
    forwarding.count(NAMES[0]!, { forwarded: 1, returned: 1 });
    pass(LOOK_MS);
    expect(forwarding.onTrial).toEqual([[], [NAMES[0]], []]);
    expect(monitor.report()).toMatchObject({
      healthy: 4,
      onTrial: 0,
      changes: { healthy: 1, onTrial: 1, unhealthy: 1 },
    });
    expect(said("on trial")[0]).toMatchObject({
      level: "info",
      message: `backend ${NAMES[0]} is on trial: tried again after 30 s without a sign of life; 3 of 4 are healthy, 1 on trial`,
    });
  });

  it("a silent backend among others that reply is drained", () => {
    start(planOf(PASSIVE_ONLY));
    pass(LOOK_MS);
    for (const name of NAMES.slice(1)) serve(name);
    forwarding.count(NAMES[0]!, { forwarded: 40, flowsCreated: 9 });
    pass(4 * LOOK_MS);
    expect(forwarding.drained).toEqual([[NAMES[0]]]);
    expect(said("silent")).toEqual([]);
    expect(said("unhealthy")[0]!.message).toContain("40 datagrams and 9 new flows within 10000 ms, 0 datagrams back");
  });

  it("what is counted before the first look counts", () => {
    start(planOf(PASSIVE_ONLY));
    forwarding.count(NAMES[0]!, { refused: 3 });
    pass(LOOK_MS);
    expect(forwarding.drained).toEqual([[NAMES[0]]]);
  });

  it("what was counted before they began is not held against anybody", () => {
    forwarding.count(NAMES[0]!, { forwarded: 999, refused: 99, flowsCreated: 99 });
    start(planOf(PASSIVE_ONLY));
    pass(10 * LOOK_MS);
    expect(forwarding.drained).toEqual([]);
  });

  it("counters that start anew are no negative traffic", () => {
    start(planOf(PASSIVE_ONLY));
    forwarding.count(NAMES[0]!, { forwarded: 100, returned: 100 });
    pass(LOOK_MS);
    forwarding.counters.set(NAMES[0]!, { ...NO_TRAFFIC, forwarded: 5, returned: 5, flowsCreated: 1, flowsAnswered: 1 });
    pass(5 * LOOK_MS);
    expect(forwarding.drained).toEqual([]);
  });
});

describe("another manifest", () => {
  function withOneDead(): HealthMonitor {
    const monitor = start(planOf(ACTIVE_ONLY));
    pass(6000);
    dead.add("10.0.0.2");
    pass(20_000);
    expect(forwarding.drained).toEqual([[NAMES[1]]]);
    return monitor;
  }

  it("its contract drains what is known to be dead, and no other contract is made for it", () => {
    const monitor = withOneDead();
    const plan = planOf(ACTIVE_ONLY, ADDRESSES.slice(0, 3));
    expect([...monitor.sharesFor(plan).drained]).toEqual([NAMES[1]]);
    monitor.adopt(plan);
    pass(10_000);
    expect(forwarding.drained).toHaveLength(1);
  });

  it("sharesFor changes nothing: a refused manifest leaves no trace", () => {
    const monitor = withOneDead();
    const before = monitor.report();
    monitor.sharesFor(planOf(undefined, []));
    expect(monitor.report()).toEqual(before);
  });

  it("a backend that is the only one left is used, dead or not", () => {
    const monitor = withOneDead();
    expect([...monitor.sharesFor(planOf(ACTIVE_ONLY, ["10.0.0.2"])).drained]).toEqual([]);
  });

  it("checks that are switched off drain nobody, send nothing and report nothing", () => {
    const monitor = withOneDead();
    const off = planOf({ ...CONFIG, active: undefined, passive: undefined });
    expect([...monitor.sharesFor(off).drained]).toEqual([]);
    monitor.adopt(off);
    expect(pass(20_000)).toEqual([]);
    expect(monitor.report()).toBeUndefined();
    expect(timers.size).toBe(0);
  });
});

it("backends without weight are not checked", () => {
  const monitor = start({ ...planOf(ACTIVE_ONLY, [], 0), ...planOf(ACTIVE_ONLY, ADDRESSES, 0) });
  expect(pass(20_000)).toEqual([]);
  expect(monitor.report()).toMatchObject({ healthy: 0, unhealthy: 0, panic: false, active: "Running" });
});

it("a refusal of the data plane is told once and tried again", () => {
  start(planOf(PASSIVE_ONLY));
  pass(LOOK_MS);
  forwarding.failWith = new Error("NO_MEMORY");
  forwarding.count(NAMES[0]!, { refused: 3 });
  pass(5 * LOOK_MS);
  expect(said("NO_MEMORY")).toHaveLength(1);
  forwarding.failWith = undefined;
  pass(LOOK_MS);
  expect(forwarding.drained).toEqual([[NAMES[0]]]);
});

it("stop ends every timer and socket", () => {
  const monitor = start(planOf(CONFIG));
  pass(6000);
  expect(network.open.size).toBe(2);
  monitor.stop();
  expect([timers.size, network.open.size]).toEqual([0, 0]);
  monitor.adopt(planOf(CONFIG));
  expect(timers.size).toBe(0);
});

it("many changes at once make a bounded number of lines", () => {
  const many = Array.from({ length: 200 }, (_, index) => `10.1.0.${index}`);
  start(planOf(PASSIVE_ONLY, many));
  for (const address of many) forwarding.count(`${address}:443`, {});
  pass(LOOK_MS);
  for (const address of many.slice(0, 90)) forwarding.count(`${address}:443`, { refused: 3 });
  pass(LOOK_MS);
  expect(said("is unhealthy")).toHaveLength(20);
  expect(said("70 more backends changed; 110 of 200 are healthy")).toHaveLength(1);
});
