import { beforeEach, describe, expect, it } from "vitest";
import type { Plan } from "../../../../proxy/apply/plan.ts";
import { NodeAgent } from "../../../../proxy/node/agent.ts";
import { planNode } from "../../../../proxy/node/plan_node.ts";
import type { RunningProxy } from "../../../../proxy/run.ts";
import type { Copy } from "../../../../proxy/source/last_good.ts";
import { fakeLog, nativeError } from "../apply/fakes.ts";
import { backendSet, nodeSpec } from "./specs.ts";

interface Timer {
  act: () => void;
  ms: number;
}

let started: Plan[];
let applied: Plan[];
let failWith: Error | undefined;
let refusedPort: number | undefined;
let copy: Copy | undefined;
let copyFails: boolean;
let nowMs: number;
let timers: Timer[];
let stopped: boolean;
let agent: NodeAgent;
let lines: ReturnType<typeof fakeLog>["lines"];

const running = {
  apply: async (plan: Plan) => {
    if (plan.endpoints[0]?.port === refusedPort) return nativeError("NEEDS_RESTART", "dataPlane.workers");
    if (failWith === undefined) applied.push(plan);
    return failWith;
  },
  findUnhealthy: () => undefined,
  findNotReady: () => undefined,
  stop: async () => {
    stopped = true;
  },
} as unknown as RunningProxy;

beforeEach(() => {
  started = [];
  applied = [];
  timers = [];
  failWith = undefined;
  refusedPort = undefined;
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
    plan: (parts) => {
      const options = { namespace: "media", cpus: 2, keyDir: "/nowhere", localAddresses: () => ["192.0.2.1"] };
      return planNode(parts, options);
    },
    lastGood: {
      file: "copy.json",
      read: async () => {
        if (copyFails) throw new Error("torn");
        return copy;
      },
      write: async (next) => {
        if (copyFails) throw new Error("disk full");
        copy = next;
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

const settings = (generation: number, port?: number) =>
  agent.offerSettings(nodeSpec({ generation, ...(port === undefined ? {} : { port }) }), "ApiServer");
const backends = (...args: Parameters<typeof backendSet>) => agent.offerBackends(backendSet(...args));

/** Settings and backends of one generation. */
async function offer(generation: number): Promise<void> {
  await settings(generation);
  await backends(generation);
}

/** Runs the timer that is due next, and what follows from it. */
async function elapse(): Promise<void> {
  const [timer] = timers.splice(0, 1);
  nowMs += timer!.ms;
  timer!.act();
  await agent.refresh();
}

const inForce = () => [agent.state.appliedGeneration, agent.state.appliedBackends];

describe("an agent", () => {
  it("is well but not ready while it waits, and says for what", async () => {
    expect(agent.findUnhealthy()).toBeUndefined();
    expect(agent.findNotReady()).toBe("nothing runs yet: waits for its settings and backends");
    await settings(7);
    expect(agent.findNotReady()).toBe("nothing runs yet: waits for its backends");
    await backends(3);
    expect(agent.findNotReady()).toBeUndefined();
    await agent.stop();
    expect(agent.findNotReady()).toBe("the proxy is stopping");
  });

  it("says that it is not ready while it is drained, and changes nothing else", async () => {
    await offer(7);
    const drained = (drain?: boolean) => agent.offerSettings({ ...nodeSpec({ generation: 7 }), drain }, "ApiServer");
    await drained(true);
    expect(agent.findNotReady()).toBe("the proxy is drained, because it is to be replaced; it forwards as before");
    expect([agent.state.drained, agent.state.problem, started.length, applied.length]).toEqual([true, undefined, 1, 0]);
    expect(agent.findUnhealthy()).toBeUndefined();
    await backends(8);
    expect([inForce(), agent.findNotReady() === undefined]).toEqual([[7, 8], false]);
    await drained();
    expect([agent.findNotReady(), agent.state.drained]).toEqual([undefined, false]);
  });

  it("is not drained by its copy: what was to be replaced is", async () => {
    await agent.offerSettings({ ...nodeSpec({ generation: 7 }), drain: true }, "LastGood");
    await backends(7);
    expect(agent.findNotReady()).toBeUndefined();
  });

  it("starts once it has settings and backends, in whatever order, and keeps both as last-good", async () => {
    await settings(7);
    expect(agent.state).toMatchObject({ problem: { reason: "Pending", message: "waits for its backends" } });
    await backends(3);
    expect(started).toHaveLength(1);
    expect(agent.state).toEqual({
      appliedGeneration: 7,
      appliedBackends: 3,
      leftOut: [],
      source: "ApiServer",
      problem: undefined,
      drained: false,
    });
    expect(copy).toMatchObject({ spec: { generation: 7 }, backends: { generation: 3 } });
  });

  it("starts with backends that came first", async () => {
    await backends(3);
    expect([started.length, agent.state.problem]).toEqual([0, undefined]);
    await settings(7);
    expect(inForce()).toEqual([7, 3]);
  });

  it("follows each for itself", async () => {
    await offer(7);
    await backends(8, ["10.0.0.8"]);
    expect(applied[0]?.backends).toMatchObject([{ address: "10.0.0.8" }]);
    await settings(9, 8443);
    expect(applied[1]).toMatchObject({ endpoints: [{ port: 8443 }, {}], backends: [{ address: "10.0.0.8" }] });
    expect(inForce()).toEqual([9, 8]);
  });

  it("applies the same generation once", async () => {
    await offer(7);
    await offer(7);
    expect([started.length, applied.length]).toEqual([1, 0]);
  });

  it("refuses an older generation of either and says so", async () => {
    await offer(7);
    await settings(6);
    expect(agent.state.problem).toMatchObject({
      reason: "OldGeneration",
      message: expect.stringContaining("an older generation is refused, a newer one is in force already"),
    });
    await settings(7);
    expect(agent.state.problem).toBeUndefined();
    await backends(6, []);
    expect(agent.state.problem?.message).toContain("an older generation of the backends is refused");
    expect([applied.length, ...inForce()]).toEqual([0, 7, 7]);
  });

  it("keeps what is in force where settings have faults, names them all, and follows the backends", async () => {
    await offer(7);
    await agent.offerSettings({ ...nodeSpec({ generation: 8 }), hashKey: "short", generation: -1 }, "ApiServer");
    expect(agent.state.problem?.message).toMatch(/spec\.generation.*spec\.hashKey|spec\.hashKey.*spec\.generation/);
    await backends(8, ["10.0.0.8"]);
    expect(inForce()).toEqual([7, 8]);
    expect(agent.state.problem?.reason).toBe("InvalidSpec");
    await agent.offerSettings(undefined, "ApiServer");
    expect(agent.state.problem?.reason).toBe("InvalidSpec");
  });

  it("follows the backends while settings wait for a restart, or for a port", async () => {
    await offer(7);
    refusedPort = 8443;
    await settings(8, 8443);
    await backends(8, ["10.0.0.8"]);
    await backends(9, ["10.0.0.9"]);
    expect(applied.map((plan) => plan.backends[0]?.address)).toEqual(["10.0.0.8", "10.0.0.9"]);
    expect(inForce()).toEqual([7, 9]);
    expect(agent.state.problem?.reason).toBe("NeedsRestart");
    expect(lines.filter(({ message }) => message.includes("dataPlane.workers"))).toHaveLength(1);
  });

  it("says why it could not start, and tries again by itself with growing pauses", async () => {
    failWith = nativeError("LISTEN_PORT_BUSY", "busy", 0);
    await offer(7);
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

  it("gives up on settings that failed as soon as there are newer ones", async () => {
    await offer(7);
    failWith = nativeError("WORKERS_NEED_RESTART", "dataPlane.workers");
    await settings(8);
    expect(agent.state.problem).toMatchObject({ reason: "WorkersNeedRestart", generation: 8 });
    failWith = undefined;
    await settings(9);
    expect(timers).toEqual([]);
    expect(agent.state).toMatchObject({ appliedGeneration: 9, problem: undefined });
  });

  it("waits for a Secret with a QUIC-LB key that is not there", async () => {
    const spec = nodeSpec({ generation: 7 });
    spec.intent.routing.quicLB = [
      { rotation: 0, serverIdLength: 3, nonceLength: 4, key: { secretRef: { name: "cid-key" } } },
    ];
    await agent.offerSettings(spec, "ApiServer");
    await backends(7);
    expect(agent.state.problem).toMatchObject({
      reason: "KeysMissing",
      message: expect.stringContaining("/nowhere/cid-key/key"),
    });
    expect(timers).toHaveLength(1);
  });

  it("leaves out a backend that this host cannot use, names it, and uses the others", async () => {
    await settings(7);
    await backends(7, ["10.0.0.7", "192.0.2.1", "100.100.100.200", "127.0.0.1"]);
    expect(started[0]?.backends).toMatchObject([{ address: "10.0.0.7" }]);
    expect(agent.state.leftOut.map((text) => text.split(":")[0]).sort()).toEqual([
      "backend 100.100.100.200 port 4433",
      "backend 127.0.0.1 port 4433",
      "backend 192.0.2.1 port 4433",
    ]);
    expect(agent.state.problem).toBeUndefined();
  });

  it("routes without its server ID to a backend whose ID no QUIC-LB config has the length of", async () => {
    const spec = nodeSpec({ generation: 7 });
    spec.intent.routing.quicLB = [{ rotation: 0, serverIdLength: 3, nonceLength: 4 }];
    await agent.offerSettings(spec, "ApiServer");
    const [backend] = backendSet(1).backends;
    const two = [
      { ...backend!, serverId: "abcd" },
      { ...backend!, address: "10.0.0.8", serverId: "abcdef" },
    ];
    await backends(7, [], { backends: two });
    expect(started[0]?.backends).toHaveLength(2);
    expect([...started[0]!.serverIds.values()]).toEqual(["abcdef"]);
    expect(agent.state.leftOut).toEqual([expect.stringContaining('10.0.0.7 port 4433: "abcd" has 2 octets')]);
  });

  it("stops what runs, and takes nothing more", async () => {
    await offer(7);
    await agent.stop();
    await offer(8);
    expect([stopped, applied.length]).toEqual([true, 0]);
  });
});

describe("the last-good copy", () => {
  it("starts the proxy, and the API server confirms it later without another apply", async () => {
    copy = { spec: nodeSpec({ generation: 7 }), backends: backendSet(7) };
    await agent.startFromLastGood();
    expect(agent.state).toMatchObject({ appliedGeneration: 7, appliedBackends: 7, source: "LastGood" });
    await offer(7);
    expect(agent.state.source).toBe("ApiServer");
    expect([started.length, applied.length]).toEqual([1, 0]);
  });

  it("is only a warning where it cannot be read or written", async () => {
    copyFails = true;
    await agent.startFromLastGood();
    await offer(7);
    expect(agent.state).toMatchObject({ appliedGeneration: 7, problem: undefined });
    expect(lines.filter(({ level }) => level === "warn").map(({ message }) => message)).toEqual([
      "the last-good copy is not used: torn",
      "no last-good copy is kept: disk full",
    ]);
  });

  it("that could not be written is written once it can be, and both are said once", async () => {
    copyFails = true;
    await offer(7);
    for (let count = 0; count < 3; count++) await agent.refresh();
    expect(copy).toBeUndefined();
    copyFails = false;
    await agent.refresh();
    expect(copy).toMatchObject({ spec: { generation: 7 } });
    const said = lines.map(({ message }) => message).filter((message) => message.includes("last-good"));
    expect(said).toEqual(["no last-good copy is kept: disk full", "a last-good copy is kept again"]);
  });

  it("with faults starts nothing", async () => {
    copy = { spec: { generation: 1 }, backends: backendSet(1) };
    await agent.startFromLastGood();
    expect([started.length, agent.state.problem?.reason]).toEqual([0, "InvalidSpec"]);
  });
});

describe("the loss of most backends that nobody saw go", () => {
  const four = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"];
  const unseen = { removals: "Unobserved" } as const;

  beforeEach(async () => {
    await settings(7);
    await backends(7, four);
  });

  it("is held and reported, and applied after a while where it stays so", async () => {
    await backends(8, four.slice(0, 1), unseen);
    expect(agent.state).toMatchObject({ appliedBackends: 7, problem: { reason: "RemovalHeld" } });
    expect(agent.state.problem?.message).toContain("3 of 4 backends are gone");
    await elapse();
    expect(agent.state).toMatchObject({ appliedBackends: 8, problem: undefined });
  });

  it("is not held where others came in their place, as in a rollout while the operator was away", async () => {
    await backends(8, ["10.0.1.1", "10.0.1.2"], unseen);
    expect(agent.state).toMatchObject({ appliedBackends: 8, problem: undefined });
  });

  it("is the same where they are there with weight 0", async () => {
    await backends(8, four, { ...unseen, weight: 0 });
    expect(agent.state.problem?.message).toContain("4 of 4 backends are gone");
  });

  it("does not keep settings from being applied", async () => {
    await backends(8, [], unseen);
    await settings(8, 8443);
    expect(inForce()).toEqual([8, 7]);
    expect(agent.state.problem?.reason).toBe("RemovalHeld");
    await elapse();
    expect(inForce()).toEqual([8, 8]);
  });

  it("is not held longer by others of its kind", async () => {
    await backends(8, [], unseen);
    nowMs += 59_000;
    await backends(9, [], unseen);
    expect(agent.state.appliedBackends).toBe(7);
    nowMs += 1000;
    await backends(10, [], unseen);
    expect(agent.state.appliedBackends).toBe(10);
  });

  it("is forgotten where they come back", async () => {
    await backends(8, [], unseen);
    await backends(9, four, unseen);
    expect(agent.state).toMatchObject({ appliedBackends: 9, problem: undefined });
    expect(timers).toEqual([]);
  });

  it("is applied at once where they were seen to go, or where it is half of them", async () => {
    await backends(8, four.slice(0, 2), unseen);
    expect(agent.state.appliedBackends).toBe(8);
    await backends(9, []);
    expect(agent.state.appliedBackends).toBe(9);
  });
});
