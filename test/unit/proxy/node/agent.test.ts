import { beforeEach, describe, expect, it } from "vitest";
import type { Plan } from "../../../../proxy/apply/plan.ts";
import { NodeAgent } from "../../../../proxy/node/agent.ts";
import { planNodeSpec } from "../../../../proxy/node/plan_node.ts";
import type { RunningProxy } from "../../../../proxy/run.ts";
import { fakeLog, nativeError } from "../apply/fakes.ts";
import { nodeSpec, type SpecChanges } from "./specs.ts";

interface Timer {
  act: () => void;
  ms: number;
}

let started: Plan[];
let applied: Plan[];
let failWith: Error | undefined;
let copy: unknown;
let copyFails: boolean;
let nowMs: number;
let timers: Timer[];
let stopped: boolean;
let agent: NodeAgent;
let lines: ReturnType<typeof fakeLog>["lines"];

const running = {
  apply: async (plan: Plan) => {
    if (failWith === undefined) applied.push(plan);
    return failWith;
  },
  stop: async () => {
    stopped = true;
  },
} as unknown as RunningProxy;

beforeEach(() => {
  started = [];
  applied = [];
  timers = [];
  failWith = undefined;
  copy = undefined;
  copyFails = false;
  stopped = false;
  nowMs = 0;
  const { log, lines: logged } = fakeLog();
  lines = logged;
  agent = new NodeAgent({
    log,
    start: async (plan) => {
      if (failWith !== undefined) throw failWith;
      started.push(plan);
      return running;
    },
    plan: (spec) => planNodeSpec(spec, { namespace: "media", cpus: 2, keyDir: "/nowhere" }),
    lastGood: {
      file: "copy.json",
      read: async () => {
        if (copyFails) throw new Error("torn");
        return copy;
      },
      write: async (spec) => {
        if (copyFails) throw new Error("disk full");
        copy = spec;
      },
    },
    clock: () => nowMs,
    schedule: (act, ms) => {
      const timer = { act, ms };
      timers.push(timer);
      return () => {
        timers = timers.filter((each) => each !== timer);
      };
    },
    onState: () => {},
  });
});

const offer = (changes: SpecChanges) => agent.offer(nodeSpec(changes), "ApiServer");

/** Runs the timer that is due next, and what follows from it. */
async function elapse(): Promise<void> {
  const [timer] = timers.splice(0, 1);
  nowMs += timer!.ms;
  timer!.act();
  await agent.refresh();
}

describe("an agent", () => {
  it("starts with the first spec and applies the next, each kept as last-good", async () => {
    await offer({ generation: 7 });
    expect(started).toHaveLength(1);
    expect(agent.state).toEqual({ appliedGeneration: 7, source: "ApiServer", problem: undefined });
    await offer({ generation: 8, backends: ["10.0.0.8"] });
    expect(applied[0]?.backends).toMatchObject([{ address: "10.0.0.8" }]);
    expect(copy).toMatchObject({ generation: 8 });
  });

  it("applies the same generation once", async () => {
    await offer({ generation: 7 });
    await offer({ generation: 7 });
    expect([started.length, applied.length]).toEqual([1, 0]);
  });

  it("refuses an older generation and says so", async () => {
    await offer({ generation: 7 });
    await offer({ generation: 6, backends: [] });
    expect(applied).toEqual([]);
    expect(agent.state).toMatchObject({
      appliedGeneration: 7,
      problem: { reason: "OldGeneration", message: "generation 6 is refused: 7 is in force already" },
    });
    await offer({ generation: 7 });
    expect(agent.state.problem).toBeUndefined();
  });

  it("keeps what is in force where a spec has faults, and names them all", async () => {
    await offer({ generation: 7 });
    await agent.offer({ ...nodeSpec({ generation: 8 }), hashKey: "short", generation: -1 }, "ApiServer");
    expect(agent.state.appliedGeneration).toBe(7);
    expect(agent.state.problem?.message).toMatch(/spec\.generation.*spec\.hashKey|spec\.hashKey.*spec\.generation/);
    await agent.offer(undefined, "ApiServer");
    expect(agent.state.problem?.reason).toBe("InvalidSpec");
  });

  it("says why it could not start, and tries again by itself with growing pauses", async () => {
    failWith = nativeError("LISTEN_PORT_BUSY", "busy", 0);
    await offer({ generation: 7 });
    expect(agent.state).toMatchObject({ appliedGeneration: 0, problem: { reason: "ListenPortBusy" } });
    const pauses = [timers[0]!.ms];
    await elapse();
    pauses.push(timers[0]!.ms);
    expect(pauses[1]).toBeGreaterThan(pauses[0]!);
    failWith = undefined;
    await elapse();
    expect(agent.state).toMatchObject({ appliedGeneration: 7, problem: undefined });
    expect(timers).toEqual([]);
  });

  it("gives up on a spec that failed as soon as there is a newer one", async () => {
    await offer({ generation: 7 });
    failWith = nativeError("NEEDS_RESTART", "dataPlane.workers");
    await offer({ generation: 8 });
    expect(agent.state.problem?.reason).toBe("NeedsRestart");
    failWith = undefined;
    await offer({ generation: 9 });
    expect(timers).toEqual([]);
    expect(agent.state).toMatchObject({ appliedGeneration: 9, problem: undefined });
  });

  it("waits for a Secret with a QUIC-LB key that is not there", async () => {
    const spec = nodeSpec({ generation: 7 });
    spec.intent.routing.quicLB = [
      { rotation: 0, serverIdLength: 3, nonceLength: 4, key: { secretRef: { name: "cid-key" } } },
    ];
    await agent.offer(spec, "ApiServer");
    expect(agent.state.problem).toMatchObject({
      reason: "KeysMissing",
      message: expect.stringContaining("/nowhere/cid-key/key"),
    });
    expect(timers).toHaveLength(1);
  });

  it("stops what runs, and takes nothing more", async () => {
    await offer({ generation: 7 });
    await agent.stop();
    await offer({ generation: 8 });
    expect([stopped, applied.length]).toEqual([true, 0]);
  });
});

describe("the last-good copy", () => {
  it("starts the proxy, and the API server confirms it later without another apply", async () => {
    copy = nodeSpec({ generation: 7 });
    await agent.startFromLastGood();
    expect(agent.state).toEqual({ appliedGeneration: 7, source: "LastGood", problem: undefined });
    await offer({ generation: 7 });
    expect(agent.state.source).toBe("ApiServer");
    expect([started.length, applied.length]).toEqual([1, 0]);
  });

  it("is only a warning where it cannot be read or written", async () => {
    copyFails = true;
    await agent.startFromLastGood();
    await offer({ generation: 7 });
    expect(agent.state).toMatchObject({ appliedGeneration: 7, problem: undefined });
    expect(lines.filter(({ level }) => level === "warn").map(({ message }) => message)).toEqual([
      "the last-good copy is not used: torn",
      "no last-good copy is kept: disk full",
    ]);
  });

  it("that could not be written is written once it can be, and both are said once", async () => {
    copyFails = true;
    await offer({ generation: 7 });
    for (let count = 0; count < 3; count++) await agent.refresh();
    expect(copy).toBeUndefined();
    copyFails = false;
    await agent.refresh();
    expect(copy).toMatchObject({ generation: 7 });
    const said = lines.map(({ message }) => message).filter((message) => message.includes("last-good"));
    expect(said).toEqual(["no last-good copy is kept: disk full", "a last-good copy is kept again"]);
  });

  it("with faults starts nothing", async () => {
    copy = { generation: 1 };
    await agent.startFromLastGood();
    expect([started.length, agent.state.problem?.reason]).toEqual([0, "InvalidSpec"]);
  });
});

describe("the loss of most backends that nobody saw go", () => {
  const four = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"];

  beforeEach(() => offer({ generation: 7, backends: four }));

  it("is held and reported, and applied after a while where it stays so", async () => {
    await offer({ generation: 8, backends: four.slice(0, 1), removals: "Unobserved" });
    expect(agent.state).toMatchObject({ appliedGeneration: 7, problem: { reason: "RemovalHeld" } });
    expect(agent.state.problem?.message).toContain("3 of 4 backends are gone");
    await elapse();
    expect(agent.state).toMatchObject({ appliedGeneration: 8, problem: undefined });
  });

  it("is not held longer by others of its kind", async () => {
    await offer({ generation: 8, backends: [], removals: "Unobserved" });
    nowMs += 59_000;
    await offer({ generation: 9, backends: [], removals: "Unobserved" });
    expect(agent.state.appliedGeneration).toBe(7);
    nowMs += 1000;
    await offer({ generation: 10, backends: [], removals: "Unobserved" });
    expect(agent.state.appliedGeneration).toBe(10);
  });

  it("is forgotten where they come back", async () => {
    await offer({ generation: 8, backends: [], removals: "Unobserved" });
    await offer({ generation: 9, backends: four, removals: "Unobserved" });
    expect(agent.state).toMatchObject({ appliedGeneration: 9, problem: undefined });
    expect(timers).toEqual([]);
  });

  it("is applied at once where they were seen to go, or where it is half of them", async () => {
    await offer({ generation: 8, backends: four.slice(0, 2), removals: "Unobserved" });
    expect(agent.state.appliedGeneration).toBe(8);
    await offer({ generation: 9, backends: [] });
    expect(agent.state.appliedGeneration).toBe(9);
  });
});
