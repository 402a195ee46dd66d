import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type HttpServer, listenHttp } from "../../../process/http_server.ts";
import type { Plan, PlanResult } from "../../../proxy/apply/plan.ts";
import { shareWeights, WHOLE_SHARES } from "../../../proxy/health/shares.ts";
import { type RunningProxy, startProxy } from "../../../proxy/run.ts";
import { FakeNative, fakeLog, fakePlan, type LogLine, nativeError } from "./apply/fakes.ts";

let native: FakeNative;
let lines: LogLine[];
let proxy: RunningProxy | undefined;
let blocker: HttpServer | undefined;
let nowMs: number;
/** Called once a second. */
const looks = new Set<() => void>();
/** What the next manifest on disk means. */
let next: PlanResult;

async function start(plan: Plan = fakePlan(), metrics?: "off"): Promise<RunningProxy> {
  const fake = fakeLog();
  lines = fake.lines;
  const dependencies = {
    openDataPlane: native.open,
    log: fake.log,
    clock: () => nowMs,
    version: "0.0.0",
    planManifest: async () => next,
    health: {
      every: (_: number, act: () => void) => {
        looks.add(act);
        return () => looks.delete(act);
      },
    },
  };
  proxy = await startProxy({ plan, metrics }, dependencies);
  return proxy;
}

const changed = (running: RunningProxy) => running.onManifest({ kind: "changed", text: "", cause: "file" });

async function get(running: RunningProxy, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${running.metricsAddress?.port}${path}`);
  return { status: response.status, text: await response.text() };
}

async function freePort(): Promise<number> {
  const server = await listenHttp({ address: "127.0.0.1", port: 0 }, {});
  await server.close();
  return server.address.port;
}

beforeEach(() => {
  native = new FakeNative();
  nowMs = 1000;
  next = { plan: fakePlan() };
});

afterEach(async () => {
  await proxy?.stop();
  await blocker?.close();
  proxy = undefined;
  blocker = undefined;
});

describe("startProxy", () => {
  it("starts the data plane with generation 1 and answers healthy and ready", async () => {
    const running = await start();
    expect(native.applied).toEqual([1]);
    expect(await get(running, "/healthz")).toEqual({ status: 200, text: "ok\n" });
    expect(await get(running, "/readyz")).toEqual({ status: 200, text: "ok\n" });
    expect(lines.map(({ message }) => message)).toContain("listening on 0.0.0.0:4433");
  });

  it("is not ready for a reason from outside, says which, and forwards as before", async () => {
    const { log } = fakeLog();
    let drained: string | undefined;
    const dependencies = { openDataPlane: native.open, log, clock: () => nowMs, version: "test" };
    const options = { plan: fakePlan(), metrics: { address: "127.0.0.1", port: 0 }, findNotReady: () => drained };
    proxy = await startProxy(options, dependencies);
    expect((await get(proxy, "/readyz")).status).toBe(200);
    drained = "the proxy is drained";
    expect(await get(proxy, "/readyz")).toEqual({ status: 503, text: "the proxy is drained\n" });
    expect((await get(proxy, "/healthz")).status).toBe(200);
    expect(proxy.report()).toMatchObject({ ready: false, notReadyReason: "the proxy is drained" });
    expect(native.applied).toEqual([1]);
  });

  it("forwards without a metrics port that another program has, says so once, and takes it when it can", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      blocker = await listenHttp({ address: "127.0.0.1", port: 0 }, {});
      const { address, port } = blocker.address;
      const running = await start(fakePlan({ metrics: { address, port } }));
      expect(native.applied).toEqual([1]);
      expect(running.report().metricsProblem).toBe(
        `metrics: TCP 127.0.0.1:${port} is taken by another program; set spec.metrics.port`,
      );
      await vi.advanceTimersByTimeAsync(10_000);
      await running.apply(fakePlan({ backends: two, metrics: { address, port } }));
      expect(native.applied).toEqual([1, 2]);
      expect(lines.filter(({ level }) => level === "error").map(({ message }) => message)).toEqual([
        expect.stringMatching(/another process has this TCP port.*ss -tlpn.*; forwarding goes on/),
      ]);
      await blocker.close();
      blocker = undefined;
      vi.advanceTimersByTime(10_000);
    } finally {
      vi.useRealTimers();
    }
    await expect.poll(() => proxy?.metricsAddress).toBeDefined();
    expect(proxy?.report().metricsProblem).toBeUndefined();
    expect(lines.at(-1)?.message).toMatch(/^metrics and health on http/);
  });

  it("explains a refused start and frees the metrics port again", async () => {
    const port = await freePort();
    native.failWith = nativeError("LISTEN_PORT_BUSY", "busy", 0);
    await expect(start(fakePlan({ metrics: { address: "127.0.0.1", port } }))).rejects.toThrow(
      "spec.listeners[0]: 0.0.0.0:4433: another process has this UDP port",
    );
    blocker = await listenHttp({ address: "127.0.0.1", port }, {});
  });

  it("serves nothing where metrics are off, whatever the manifest says", async () => {
    const running = await start(fakePlan(), "off");
    expect(running.metricsAddress).toBeUndefined();
    expect(native.applied).toEqual([1]);
  });

  it("is healthy but not ready without a backend", async () => {
    const running = await start(fakePlan({ backends: [] }));
    expect((await get(running, "/healthz")).status).toBe(200);
    expect(await get(running, "/readyz")).toEqual({ status: 503, text: "no backend with a weight above zero\n" });
    expect(lines.some(({ level, message }) => level === "warn" && message.includes("no backend"))).toBe(true);
  });

  it("is unhealthy while a worker stays on an old generation, after a grace", async () => {
    const running = await start();
    native.region.setGauge(1, "generation", 0);
    expect((await get(running, "/healthz")).status).toBe(200);
    nowMs += 5000;
    expect(await get(running, "/healthz")).toEqual({
      status: 500,
      text: "worker 1 runs on generation 0, the contract in force is generation 1\n",
    });
  });

  it("stops the data plane and closes the metrics port once", async () => {
    const running = await start();
    const port = running.metricsAddress?.port ?? 0;
    await running.stop();
    await running.stop();
    expect(native.stopped).toBe(true);
    blocker = await listenHttp({ address: "127.0.0.1", port }, {});
  });
});

const two = [
  { address: "10.0.0.7", port: 4433, weight: 1 },
  { address: "10.0.0.8", port: 4433, weight: 1 },
];

describe("backend health", () => {
  const health = {
    active: undefined,
    passive: { windowMs: 10_000, minFlows: 5, minDatagrams: 20, replyPercent: 0, refusals: 3 },
    backoffMs: 30_000,
    maxBackoffMs: 300_000,
    panicThreshold: 50,
  };
  const checked = (changes: Partial<Plan> = {}): Plan => {
    const plan = fakePlan({ backends: two, health, ...changes });
    const nameOf = (each: (typeof two)[number]): string => `${each.address}:${each.port}`;
    const encode = (generation: number, shares = WHOLE_SHARES): Uint8Array =>
      Buffer.from(JSON.stringify({ generation, backends: shareWeights(plan.backends, shares, nameOf) }));
    return { ...plan, encode };
  };

  function look(): void {
    nowMs += 1000;
    for (const act of looks) act();
  }

  async function startWithRefusal(): Promise<RunningProxy> {
    const running = await start(checked());
    look();
    native.region.setBackend(0, 1, { refused: 3 });
    look();
    return running;
  }

  it("a backend that refuses gets weight 0 in the next contract, and everybody is told", async () => {
    const running = await startWithRefusal();
    expect(native.applied).toEqual([1, 2]);
    expect(native.current.backends.map(({ weight }) => weight)).toEqual([1, 0]);
    expect((await get(running, "/readyz")).status).toBe(200);
    const { text } = await get(running, "/metrics");
    for (const sample of [
      'quicproxy_backend_health{backend="10.0.0.7:4433"} 1',
      'quicproxy_backend_health{backend="10.0.0.8:4433"} 0',
      'quicproxy_backend_weight{backend="10.0.0.8:4433"} 0',
      "quicproxy_health_panic 0",
      "quicproxy_health_suspended 0",
      'quicproxy_health_probes_total{result="answered"} 0',
      'quicproxy_health_changes_total{to="unhealthy"} 1',
      "quicproxy_contract_generation 2",
    ]) {
      expect(text).toContain(`${sample}\n`);
    }
    const report = JSON.parse((await get(running, "/counters")).text);
    expect(report.health).toMatchObject({ panic: false, healthy: 1, unhealthy: 1, active: "Disabled" });
    expect(report.health.backends["10.0.0.8:4433"]).toMatchObject({ state: "Unhealthy", reason: "Refused" });
    expect(lines.map(({ message }) => message)).toContain("generation 2: 1 of 2 backends get no new flow");
  });

  it("a manifest that is applied meanwhile drains it from its first contract on", async () => {
    const running = await startWithRefusal();
    next = { plan: checked({ settings: { idleTimeoutMs: 1 } }) };
    await changed(running);
    expect(native.applied).toEqual([1, 2, 3]);
    expect(native.current.backends.map(({ weight }) => weight)).toEqual([1, 0]);
    next = { plan: checked({ health: undefined }) };
    await changed(running);
    expect(native.current.backends.map(({ weight }) => weight)).toEqual([1, 1]);
    expect(looks.size).toBe(0);
    expect((await get(running, "/metrics")).text).not.toContain("quicproxy_backend_health{");
  });

  it("tried again without a sign of life, it gets a small share and is shown so; an answer gives it its whole share", async () => {
    const running = await startWithRefusal();
    for (let second = 0; second < 30; second++) look();
    expect(native.current.backends.map(({ weight }) => weight)).toEqual([1, 1 / 16]);
    const { text } = await get(running, "/metrics");
    expect(text).toContain('quicproxy_backend_on_trial{backend="10.0.0.8:4433"} 1\n');
    expect(text).toContain('quicproxy_backend_health{backend="10.0.0.8:4433"} 0\n');
    expect(text).toContain('quicproxy_health_changes_total{to="onTrial"} 1\n');
    const report = JSON.parse((await get(running, "/counters")).text);
    expect(report.health).toMatchObject({ healthy: 1, onTrial: 1, unhealthy: 0, panic: false });
    expect(report.health.backends["10.0.0.8:4433"]).toMatchObject({ state: "OnTrial", reason: "" });
    native.region.setBackend(0, 1, { forwarded: 1, returned: 1 });
    look();
    expect(native.current.backends.map(({ weight }) => weight)).toEqual([1, 1]);
    const messages = lines.map(({ message }) => message);
    expect(messages).toContain("generation 3: 0 of 2 backends get no new flow, 1 few");
    expect(messages).toContain(
      "backend 10.0.0.8:4433 is healthy: 1 datagram came back, its trial is over; 2 of 2 are healthy",
    );
  });

  it("a manifest that is refused changes nothing about it", async () => {
    const running = await startWithRefusal();
    native.failWith = nativeError("NEEDS_RESTART", "workers");
    next = { plan: checked({ health: undefined }) };
    await changed(running);
    native.failWith = undefined;
    expect(JSON.parse((await get(running, "/counters")).text).health).toMatchObject({ unhealthy: 1 });
    expect(looks.size).toBe(1);
  });

  it("nothing is looked at any more once the proxy stops", async () => {
    const running = await start(checked());
    await running.stop();
    expect(looks.size).toBe(0);
  });
});

describe("reload", () => {
  it("applies a good manifest as the next generation and logs what changed", async () => {
    const running = await start();
    next = { plan: fakePlan({ backends: two }) };
    await changed(running);
    expect(native.applied).toEqual([1, 2]);
    expect(lines.map(({ message }) => message)).toContain(
      "manifest applied as generation 2: backends added: 10.0.0.8:4433",
    );
    const { text } = await get(running, "/metrics");
    expect(text).toContain('quicproxy_contract_reload_total{result="applied"} 1');
    expect(text).toContain("quicproxy_contract_stale 0");
    expect(text).toContain("quicproxy_contract_generation 2");
  });

  it("logs after a reload only the facts that are new", async () => {
    const running = await start();
    const before = lines.length;
    next = { plan: fakePlan({ backends: [], warnings: ["edge.yaml: spec.nodes: is ignored here"] }) };
    await changed(running);
    expect(lines.slice(before).map(({ level, message }) => `${level} ${message.split(":", 1)[0]}`)).toEqual([
      "info manifest applied as generation 2",
      "warn edge.yaml",
      "warn no backend with a weight above zero",
    ]);
  });

  it("keeps the old contract where the new manifest has faults, and says so in log, metric and /counters", async () => {
    const running = await start();
    next = { faults: ["edge.yaml:3:9: spec.listeners: is missing", "edge.yaml:4:1: spec.bakends: unknown"] };
    await changed(running);
    expect(native.applied).toEqual([1]);
    const error = lines.find(({ level }) => level === "error");
    expect(error?.message).toContain(
      "generation 1 stays in force: edge.yaml:3:9: spec.listeners: is missing; edge.yaml:4:1",
    );
    const { text } = await get(running, "/metrics");
    expect(text).toContain('quicproxy_contract_reload_total{result="rejected"} 1');
    expect(text).toContain("quicproxy_contract_stale 1");
    expect(JSON.parse((await get(running, "/counters")).text).staleReason).toContain("spec.bakends: unknown");
    expect((await get(running, "/readyz")).status).toBe(200);
  });

  it("keeps the old contract where the native side needs a restart, and applies the next good one", async () => {
    const running = await start();
    native.failWith = nativeError("NEEDS_RESTART", "workers 2 -> 4");
    await changed(running);
    expect(lines.find(({ level }) => level === "error")?.message).toContain("workers 2 -> 4");
    expect((await get(running, "/metrics")).text).toContain("quicproxy_contract_stale 1");
    native.failWith = undefined;
    await changed(running);
    expect(native.applied).toEqual([1, 2]);
    expect((await get(running, "/metrics")).text).toContain("quicproxy_contract_stale 0");
  });
});

describe("reload by cause", () => {
  it("reports an unreadable manifest without touching what is in force", async () => {
    const running = await start();
    await running.onManifest({ kind: "unreadable", reasons: ["edge.yaml: does not exist"], cause: "file" });
    expect(native.applied).toEqual([1]);
    expect(lines.find(({ level }) => level === "error")?.message).toContain("edge.yaml: does not exist");
  });

  it("counts SIGHUP on an unchanged manifest, but tries a rejected one again", async () => {
    const running = await start();
    const hangup = () => running.onManifest({ kind: "unchanged", text: "", cause: "SIGHUP" });
    await hangup();
    expect(native.applied).toEqual([1]);
    expect((await get(running, "/metrics")).text).toContain('quicproxy_contract_reload_total{result="unchanged"} 1');
    native.failWith = nativeError("NO_MEMORY", "mmap");
    await changed(running);
    native.failWith = undefined;
    await hangup();
    expect(native.applied).toEqual([1, 2]);
  });
});

describe("SIGHUP on an unchanged manifest whose key file", () => {
  const hangup = (running: RunningProxy) => running.onManifest({ kind: "unchanged", text: "", cause: "SIGHUP" });
  const key = (octet: number) => new Map([[1, new Uint8Array(16).fill(octet)]]);

  it("changed: applies the new key", async () => {
    const running = await start(fakePlan({ quicLbKeys: key(1) }));
    const backends = [{ address: "10.0.0.7", port: 4433, weight: 1 }];
    const encode = (generation: number) => Buffer.from(JSON.stringify({ generation, backends, key: 2 }));
    next = { plan: fakePlan({ quicLbKeys: key(2), encode }) };
    await hangup(running);
    expect(native.applied).toEqual([1, 2]);
    expect(lines.map(({ message }) => message)).toContain("manifest applied as generation 2: QUIC-LB keys: rotation 1");
  });

  it("is gone: keeps the old key and says so", async () => {
    const running = await start();
    next = { faults: ["edge.yaml:9:5: spec.routing.quicLB[0].key.file: cid.key does not exist"] };
    await hangup(running);
    expect(native.applied).toEqual([1]);
    expect(lines.find(({ level }) => level === "error")?.message).toContain("cid.key does not exist");
  });
});

describe("reload of the metrics address", () => {
  it("moves the metrics server and closes the old address", async () => {
    const running = await start();
    const oldPort = running.metricsAddress?.port;
    next = { plan: fakePlan({ metrics: { address: "127.0.0.1", port: await freePort() } }) };
    await changed(running);
    expect(running.metricsAddress?.port).not.toBe(oldPort);
    expect((await get(running, "/readyz")).status).toBe(200);
    await expect(fetch(`http://127.0.0.1:${oldPort}/readyz`)).rejects.toThrow();
  });

  it("moves the metrics server to another address of the same port", async () => {
    const port = await freePort();
    const running = await start(fakePlan({ metrics: { address: "127.0.0.1", port } }));
    next = { plan: fakePlan({ metrics: { address: "0.0.0.0", port } }) };
    await changed(running);
    expect(running.metricsAddress).toEqual({ address: "0.0.0.0", port });
    expect((await get(running, "/readyz")).status).toBe(200);
  });

  it("stays at the old metrics address where the native side refuses the contract", async () => {
    const port = await freePort();
    const running = await start(fakePlan({ metrics: { address: "127.0.0.1", port } }));
    native.failWith = nativeError("NEEDS_RESTART", "mode");
    for (const metrics of [
      { address: "0.0.0.0", port },
      { address: "127.0.0.1", port: await freePort() },
    ]) {
      next = { plan: fakePlan({ metrics }) };
      await changed(running);
      expect(running.metricsAddress).toEqual({ address: "127.0.0.1", port });
      expect((await get(running, "/readyz")).status).toBe(200);
    }
  });

  it.each([
    "another port",
    "the same port of another address",
  ])("applies the manifest where %s is taken, and answers where it did", async (which) => {
    const port = await freePort();
    const before = { address: "127.0.0.1", port };
    const running = await start(fakePlan({ metrics: before }));
    const isOther = which === "another port";
    blocker = await listenHttp({ address: "127.0.0.2", port: isOther ? 0 : port }, {});
    next = { plan: fakePlan({ metrics: blocker.address, backends: two }) };
    await changed(running);
    expect(native.applied).toEqual([1, 2]);
    expect(running.metricsAddress).toEqual(before);
    expect(JSON.parse((await get(running, "/counters")).text).metricsProblem).toContain("taken by another program");
    next = { plan: fakePlan({ metrics: before }) };
    await changed(running);
    expect(running.report().metricsProblem).toBeUndefined();
  });

  it("survives a planner that throws", async () => {
    const running = await start();
    Object.defineProperty(next, "plan", {
      get: () => {
        throw new Error("broken");
      },
    });
    await changed(running);
    expect(lines.find(({ level }) => level === "error")?.message).toContain("broken");
  });
});
