import { beforeEach, describe, expect, it } from "vitest";
import {
  IN_FLIGHT_MAX,
  PROBES_PER_SECOND,
  Prober,
  type ProbeTarget,
  PUMP_MS,
} from "../../../../proxy/health/prober.ts";
import { answerTo, countingOctets, FakeProbeNetwork, type SentProbe } from "./fakes.ts";
import { CONFIG } from "./states.ts";

const ACTIVE = CONFIG.active!;
const A = { name: "a", address: "10.0.0.1", port: 443 };
const B = { name: "b", address: "10.0.0.2", port: 443 };
const SIX = { name: "six", address: "2001:db8::6", port: 443 };

let network: FakeProbeNetwork;
let prober: Prober;
let nowMs: number;
let random: number;
let problems: string[];

beforeEach(() => {
  network = new FakeProbeNetwork();
  nowMs = 0;
  random = 0.5;
  problems = [];
  prober = new Prober({
    openSocket: network.openSocket,
    clock: () => nowMs,
    random: () => random,
    randomOctets: countingOctets(),
    onProblem: (message) => problems.push(message),
  });
});

/** Lets time pass, pumping as often as asked. */
function pass(durationMs: number, each: (sent: SentProbe[]) => void = () => {}): SentProbe[] {
  const all: SentProbe[] = [];
  for (const endMs = nowMs + durationMs; nowMs < endMs; ) {
    nowMs += PUMP_MS;
    prober.pump();
    const sent = network.take();
    all.push(...sent);
    each(sent);
  }
  return all;
}

const answerAll = (sent: SentProbe[]): void => sent.forEach((probe) => void network.answer(probe));
const results = () => Object.fromEntries(prober.takeResults());
const backends = (count: number): ProbeTarget[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `${index}`,
    address: `10.0.${index >> 8}.${index & 255}`,
    port: 1,
  }));

describe("asking", () => {
  it("spreads the first probes over the interval and then asks once in each", () => {
    const names = ["0", "1", "2", "3"];
    const draws = [0, 0.25, 0.5, 0.75];
    let draw = 0;
    const spread = new Prober({
      openSocket: network.openSocket,
      clock: () => nowMs,
      random: () => draws[draw++] ?? 0.5,
      randomOctets: countingOctets(),
      onProblem: () => {},
    });
    spread.adopt(backends(4), ACTIVE);
    prober = spread;
    const at: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]));
    pass(15_000, (sent) => {
      for (const { to } of sent) at[to.address.split(".")[3]!]!.push(nowMs);
      answerAll(sent);
    });
    expect(at).toEqual({
      "0": [50, 5050, 10_050],
      "1": [1250, 6250, 11_250],
      "2": [2500, 7500, 12_500],
      "3": [3750, 8750, 13_750],
    });
  });

  it.each([
    [0, 4500],
    [0.999_999, 5500],
  ])("varies the interval by a tenth: draw %f, %i ms", (draw, intervalMs) => {
    prober.adopt([A], ACTIVE);
    random = draw;
    pass(2500, answerAll);
    expect(pass(intervalMs - PUMP_MS, answerAll)).toHaveLength(0);
    expect(pass(PUMP_MS, answerAll)).toHaveLength(1);
  });

  it("uses a socket for each family, opened when needed and closed in the end", () => {
    prober.adopt([A, SIX], ACTIVE);
    expect([...network.open]).toEqual([]);
    expect(pass(3000).map(({ family, to }) => [family, to.address])).toEqual([
      [4, "10.0.0.1"],
      [6, "2001:db8::6"],
    ]);
    expect([...network.open]).toEqual([4, 6]);
    prober.adopt([], undefined);
    expect([...network.open]).toEqual([]);
    expect(pass(20_000)).toEqual([]);
  });

  it("asks a tenth as often while slow", () => {
    prober.isSlow = true;
    prober.adopt([A], ACTIVE);
    expect(pass(102_600)).toHaveLength(3);
  });

  it("keeps the turn of who was asked before, and forgets who is gone", () => {
    prober.adopt([A, B], ACTIVE);
    const [first] = pass(2500);
    prober.adopt([A], ACTIVE);
    answerAll([first!]);
    expect(results()).toEqual({ a: ["Answered"] });
    expect(pass(4950)).toEqual([]);
    expect(pass(50)).toHaveLength(1);
  });
});

describe("bounds", () => {
  it("never more than so many a second, and nobody is left out", () => {
    prober.adopt(backends(8000), { ...ACTIVE, intervalMs: 1000 });
    const seen = new Set<string>();
    for (let second = 0; second < 9; second++) {
      const sent = pass(1000, answerAll);
      expect(sent.length).toBeLessThanOrEqual(PROBES_PER_SECOND);
      for (const { to } of sent) seen.add(to.address);
    }
    expect(seen.size).toBe(8000);
  });

  it("never more than so many without answer at once", () => {
    prober.adopt(backends(5000), { ...ACTIVE, timeoutMs: 5000 });
    expect(pass(4900)).toHaveLength(IN_FLIGHT_MAX);
    expect(pass(2700).length).toBeGreaterThan(0);
  });
});

describe("answers", () => {
  beforeEach(() => prober.adopt([A], ACTIVE));

  it("Version Negotiation in time is an answer, once", () => {
    const [probe] = pass(2500);
    network.answer(probe!);
    network.answer(probe!);
    pass(1100);
    expect(results()).toEqual({ a: ["Answered"] });
    expect(results()).toEqual({});
    expect(prober.counts).toEqual({ answered: 1, unanswered: 0, unsent: 0 });
  });

  it("after the timeout it is none", () => {
    const [probe] = pass(2500);
    pass(950);
    expect(results()).toEqual({});
    pass(50);
    network.answer(probe!);
    expect(results()).toEqual({ a: ["Unanswered"] });
  });

  it.each<[string, (probe: SentProbe) => [Uint8Array, { address: string; port: number }]]>([
    ["the probe itself", ({ datagram, to }) => [datagram, to]],
    ["from another address", ({ datagram, to }) => [answerTo(datagram), { ...to, address: "10.0.0.9" }]],
    ["from another port", ({ datagram, to }) => [answerTo(datagram), { ...to, port: 444 }]],
    ["with another destination ID", ({ datagram, to }) => [answerTo(datagram).fill(7, 6, 14), to]],
    ["with another source ID", ({ datagram, to }) => [answerTo(datagram).fill(7, 15, 23), to]],
  ])("%s is no answer", (_, make) => {
    const [probe] = pass(2500);
    network.deliver(...make(probe!));
    pass(1000);
    expect(results()).toEqual({ a: ["Unanswered"] });
  });

  it("time in which this process stood still counts for nobody", () => {
    const [probe] = pass(2500);
    nowMs += 60_000;
    prober.pump();
    network.answer(probe!);
    expect(results()).toEqual({ a: ["Answered"] });
  });
});

describe("what cannot be sent", () => {
  const error = (code: string) => Object.assign(new Error(`send ${code}`), { code });

  it("because of this host: no fault of the backend, and it is told", () => {
    prober.adopt([A], ACTIVE);
    network.sendError = error("EPERM");
    pass(9000);
    expect(results()).toEqual({});
    expect(prober.counts).toEqual({ answered: 0, unanswered: 0, unsent: 2 });
    expect(problems[0]).toBe("probes over IPv4 cannot be sent: send EPERM");
  });

  it("because no way leads there: not answered", () => {
    prober.adopt([A], ACTIVE);
    network.sendError = error("EHOSTUNREACH");
    pass(3600);
    expect(results()).toEqual({ a: ["Unanswered"] });
    expect(problems).toEqual([]);
  });

  it("because no socket opens: told, and tried again", () => {
    prober.adopt([A], ACTIVE);
    network.openError = new Error("no more files");
    pass(3000);
    expect(prober.counts.unsent).toBe(1);
    network.openError = undefined;
    pass(5000, answerAll);
    expect(results()).toEqual({ a: ["Answered"] });
  });

  it("because its socket failed: another one is opened", () => {
    prober.adopt([A], ACTIVE);
    pass(2500, answerAll);
    network.fail(4, "gone");
    pass(5000, answerAll);
    expect([...network.open]).toEqual([4]);
    expect(results()).toEqual({ a: ["Answered", "Answered"] });
  });
});
