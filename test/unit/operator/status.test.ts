import { describe, expect, it } from "vitest";
import { quicProxyStatusShape } from "../../../crds/status_schema.ts";
import { statusHappenings } from "../../../operator/happenings.ts";
import { differenceOf } from "../../../operator/status/difference.ts";
import { planStatus } from "../../../operator/status/status.ts";
import type { ObservedNodeObject } from "../../../operator/world.ts";
import { decisionOf, FakeWorld, FRESH, node, planOf, pod, proxy, SERVICE_SPEC, service, slice } from "./worlds.ts";

const NOW = "2026-02-03T04:05:06Z";
const nodes = [node("node-1"), node("node-2")];

const RATES = {
  receivedPerSecond: 1000,
  forwardedPerSecond: 990,
  returnedPerSecond: 980,
  droppedPerSecond: 10,
  droppedTotal: 100,
  flows: 50,
};

/** A world in which every node reports that it runs what was asked for. */
function running(spec: object = {}, report: object = {}): FakeWorld {
  const before = new FakeWorld({ nodes, proxies: [proxy("edge", spec)] });
  const after = before.applied(planOf(before));
  after.parts.pods = [pod("node-1"), pod("node-2")];
  after.parts.nodeObjects = after.parts.nodeObjects.map((object) => {
    const status = {
      appliedGeneration: object.generation,
      appliedBackends: FRESH.nowMs,
      ready: true,
      workers: 2,
      rates: RATES,
      source: "ApiServer",
      upstreamLevel: "ConnectedSocketPool",
      steeringLevel: "KernelHash",
      ...report,
    };
    return { ...object, status } as ObservedNodeObject;
  });
  return after;
}

function statusOf(world: FakeWorld, applyError?: string) {
  const found = world.proxies.find(({ name }) => name === "edge")!;
  const status = planStatus(world, found, {
    decision: decisionOf(world),
    applyError,
    capabilities: "Kernel",
    now: NOW,
  });
  const condition = (type: string) => {
    const { status: holds, reason, message } = status.conditions!.find((each) => each.type === type)!;
    return `${holds} ${reason}: ${message}`;
  };
  return { status, condition };
}

describe("the status of a QuicProxy", () => {
  it("sums up ready nodes", () => {
    const { status, condition } = statusOf(running());
    expect(status).toMatchObject({
      observedGeneration: 1,
      nodes: { desired: 2, programmed: 2, ready: 2, summary: "2/2" },
      backends: { serving: 1, draining: 0, summary: "1" },
      workers: 4,
      dropsPerSecond: 20,
      datagramsPerSecond: 2000,
      flows: 100,
      levels: ["ConnectedSocketPool", "KernelHash"],
    });
    expect(condition("Ready")).toBe("True Ready: 2 nodes forward to 1 backend");
    expect(condition("Programmed")).toBe("True Programmed: 2 nodes run the present spec");
    expect(condition("Degraded")).toBe("False AsAsked: everything works as asked");
    expect(quicProxyStatusShape.parse(status)).toEqual(status);
  });

  it("is not ready with every backend down, whatever its nodes forward", () => {
    const down = {
      readiness: "False",
      reason: "BackendsDown",
      message: "the one backend is down; 10.0.0.7:4433 (Silent): 40 datagrams",
      backendHealth: { healthy: 0, onTrial: 0, unhealthy: 1 },
    };
    const { status, condition } = statusOf(running({}, down));
    expect(condition("Ready")).toBe(
      "False BackendsDown: 0 of 2 nodes ready; node-1, node-2: the one backend is down; 10.0.0.7:4433 (Silent): 40 datagrams",
    );
    expect(condition("Programmed")).toMatch(/^True/);
    expect(status).toMatchObject({ nodes: { ready: 0 }, backends: { serving: 1, healthy: 0, summary: "0/1" } });
  });

  it("counts backends that are well as the node does that sees fewest, and never more than there are", () => {
    const world = running();
    const [first, second] = world.parts.nodeObjects;
    const seeing = (object: ObservedNodeObject, healthy: number) => {
      return { ...object, status: { ...object.status, backendHealth: { healthy, onTrial: 0, unhealthy: 1 } } };
    };
    const of = (one: number, other: number) => {
      world.parts.nodeObjects = [seeing(first!, one), seeing(second!, other)];
      return statusOf(world).status.backends;
    };
    expect(of(1, 0)).toEqual({ serving: 1, draining: 0, healthy: 0, summary: "0/1" });
    expect(of(7, 9)).toEqual({ serving: 1, draining: 0, healthy: 1, summary: "1/1" });
  });

  it("is degraded where nodes fell to a lower level, but not where they were given no rights for another", () => {
    const reasons = { upstreamReason: "CAP_NET_RAW is missing", steeringReason: "CAP_BPF is missing" };
    const world = running({}, reasons);
    expect(statusOf(world).condition("Degraded")).toBe(
      "True LessThanAsked: node-1: upstream level ConnectedSocketPool instead of RawSend: CAP_NET_RAW is missing; steering " +
        "level KernelHash instead of ConnectionId: CAP_BPF is missing; and 1 more",
    );
    const found = world.proxies[0]!;
    const inputs = { decision: decisionOf(world), applyError: undefined, capabilities: "Sockets", now: NOW } as const;
    const { conditions } = planStatus(world, found, inputs);
    expect(conditions!.find(({ type }) => type === "Degraded")).toMatchObject({ status: "False", reason: "AsAsked" });
  });

  it("names the QuicProxy that has the port which a node finds taken", () => {
    const busy = { ready: false, reason: "ListenPortBusy", message: "0.0.0.0:443: another process has this UDP port" };
    const world = running({}, busy);
    const holder = proxy("other", {}, { uid: "uid-other" });
    const alone = statusOf(world).condition("Ready");
    expect(alone).toContain("another process has this UDP port");
    const revision = world.parts.revisions[0]!;
    world.parts.proxies = [...world.parts.proxies, holder];
    world.parts.revisions = [
      ...world.parts.revisions,
      { ...revision, proxy: "other", ownerUid: "uid-other", name: "r" },
    ];
    world.parts.pods = [...world.parts.pods, pod("node-1", { name: "other-node-1", proxy: "other" })];
    const { condition } = statusOf(world);
    expect(condition("Ready")).toContain(
      "node-1: spec.listeners[0]: UDP port 443 is that of QuicProxy media/other on node node-1",
    );
    expect(condition("Ready")).toContain("node-2: 0.0.0.0:443: another process has this UDP port");
  });

  it("tells how many nodes a refused spec asks for, and nothing where it cannot be read", () => {
    const refused = new FakeWorld({ nodes, proxies: [proxy("edge", SERVICE_SPEC)] });
    expect(statusOf(refused).status.nodes).toMatchObject({ desired: 2, ready: 0, summary: "0/2" });
    const wrong = new FakeWorld({ nodes, proxies: [proxy("edge", { listeners: [{ port: 1 }, { port: 1 }] })] });
    expect(statusOf(wrong).status.nodes).toMatchObject({ desired: 0, summary: "-" });
  });

  it("K14: does not know how a node is that reports no more, and names it", () => {
    const world = running();
    const [first, second] = world.parts.nodeObjects;
    const silence = {
      readiness: "Unknown",
      reason: "NotReporting",
      message: "has not reported for more than 150 s: why",
    } as const;
    world.parts.nodeObjects = [{ ...first!, status: { ...first!.status, ...silence } }, second!];
    const { status, condition } = statusOf(world);
    expect(status).toMatchObject({ nodes: { desired: 2, programmed: 2, ready: 1, summary: "1/2" }, workers: 2 });
    expect(condition("Ready")).toBe(
      "Unknown NotReporting: 1 of 2 nodes ready; node-1: has not reported for more than 150 s: why",
    );
    expect(statusHappenings({}, status).filter(({ reason }) => reason === "NotReporting")).toMatchObject([
      { type: "Warning", note: expect.stringContaining("Ready: 1 of 2 nodes ready; node-1: has not reported") },
    ]);
  });

  it("is not ready for certain where a node that reports no more has no pod", () => {
    const world = running();
    const silence = { readiness: "Unknown", reason: "NotReporting", message: "has not reported" } as const;
    world.parts.nodeObjects = world.parts.nodeObjects.map((each) => ({
      ...each,
      status: { ...each.status, ...silence },
    }));
    world.parts.pods = [];
    expect(statusOf(world).condition("Ready")).toBe(
      "False Pending: 0 of 2 nodes ready; node-1, node-2: has no proxy pod yet",
    );
  });

  it("is not ready for certain where another node says so itself", () => {
    const world = running({}, { ready: false, reason: "NotReady", message: "no route" });
    const [first, second] = world.parts.nodeObjects;
    const silence = { readiness: "Unknown", reason: "NotReporting", message: "has not reported" } as const;
    world.parts.nodeObjects = [{ ...first!, status: { ...first!.status, ...silence } }, second!];
    expect(statusOf(world).condition("Ready")).toMatch(
      /^False NotReporting: 0 of 2 nodes ready; node-1: has not .*node-2: no route/,
    );
  });

  it("keeps the time of a transition while the status stays", () => {
    const world = running();
    const { status } = statusOf(world);
    world.parts.proxies = [proxy("edge", {}, { status })];
    const later = planStatus(world, world.proxies[0]!, {
      decision: decisionOf(world),
      applyError: undefined,
      capabilities: "Kernel",
      now: "later",
    });
    expect(later).toEqual(status);
  });

  it("counts no report of a pod that is not ready", () => {
    const world = running();
    world.parts.pods[1] = pod("node-2", { ready: false, trouble: "CrashLoopBackOff: back-off 5m0s" });
    const { status, condition } = statusOf(world);
    expect(status).toMatchObject({ workers: 2, nodes: { ready: 1, summary: "1/2" } });
    expect(condition("Ready")).toBe(
      "False PodNotRunning: 1 of 2 nodes ready; node-2: pod edge-node-2: CrashLoopBackOff: back-off 5m0s",
    );
  });

  it("shows an image that cannot be pulled", () => {
    const world = running();
    world.parts.nodeObjects = world.parts.nodeObjects.map((object) => ({ ...object, status: {} }));
    world.parts.pods = ["node-1", "node-2"].map((name) =>
      pod(name, { ready: false, trouble: "ImagePullBackOff: not found" }),
    );
    expect(statusOf(world).condition("Programmed")).toContain(
      "PodNotRunning: 0 of 2 nodes run the present spec; node-1: pod",
    );
    expect(statusOf(world).condition("Ready")).toContain("ImagePullBackOff: not found");
  });

  it("shows what a node says when it cannot apply a generation", () => {
    const problem = {
      appliedGeneration: 1,
      ready: true,
      reason: "ListenPortBusy",
      message: "0.0.0.0:443: another process has this UDP port",
    };
    expect(statusOf(running({}, problem)).condition("Programmed")).toBe(
      "False ListenPortBusy: 0 of 2 nodes run the present spec; node-1, node-2: 0.0.0.0:443: " +
        "another process has this UDP port",
    );
  });

  it("names the DaemonSet and who refuses its pods, once for all nodes, also where there is no backend", () => {
    const world = running({ backends: { static: [] } });
    world.parts.pods = [];
    expect(statusOf(world).condition("Programmed")).toContain("node-1, node-2: has no proxy pod yet");
    const message =
      'Error creating: pods "quicproxy-edge-" is forbidden: violates PodSecurity "baseline:latest": hostPort';
    const refusal = { namespace: "media", daemonSet: "quicproxy-edge", message };
    world.parts.refusals = [
      { ...refusal, atMs: 1, message: "exceeded quota: pods" },
      { ...refusal, atMs: 2 },
    ];
    const { condition } = statusOf(world);
    expect(condition("Ready")).toBe(
      `False PodsRefused: 0 of 2 nodes ready; node-1, node-2: DaemonSet quicproxy-edge cannot make a pod: ${message}; allow it: ` +
        "kubectl label namespace media --overwrite pod-security.kubernetes.io/enforce=privileged",
    );
    expect(condition("Programmed")).toMatch(/^False PodsRefused: /);
    expect(condition("Degraded")).toBe("Unknown NothingRuns: no node has reported yet");
  });

  it("says what to do where no node matches", () => {
    const world = new FakeWorld({ nodes, proxies: [proxy("edge", { nodes: { selector: { edge: "yes" } } })] });
    expect(statusOf(world).condition("Ready")).toContain("False NoNodes: no node has the labels");
    expect(statusOf(world).condition("Programmed")).toContain("kubectl label node NAME edge=yes");
    expect(statusOf(world).status.nodes?.summary).toBe("0/0");
  });

  it("says where a Service has no ready endpoint, while everything is programmed", () => {
    const world = running(SERVICE_SPEC);
    world.parts.services = [service()];
    world.parts.slices = [
      slice([], {
        endpoints: [{ address: "10.1.0.1", isPod: true, ready: false, serving: false, terminating: false }],
      }),
    ];
    const after = world.applied(planOf(world));
    const { condition, status } = statusOf(after);
    expect(condition("Accepted")).toContain("True Accepted");
    expect(condition("Ready")).toBe(
      "False NoBackends: Service server has no ready endpoint (1 not ready or terminating); see: " +
        "kubectl get endpointslices -l kubernetes.io/service-name=server",
    );
    expect(status.backends).toEqual({ serving: 0, draining: 1, summary: "0" });
  });

  it("says that the last accepted spec stays in force where the present one is refused", () => {
    const world = running();
    world.parts.proxies = [proxy("edge", { backends: {} }, { generation: 2 })];
    const { condition, status } = statusOf(world);
    expect(condition("Accepted")).toMatch(/^False InvalidSpec: spec\.backends: names no backends/);
    expect(condition("Programmed")).toBe(
      "False InvalidSpec: the spec is not accepted; 2 nodes keep the last accepted spec",
    );
    expect(condition("Accepted")).toContain("; the last accepted spec stays in force");
    expect(condition("Ready")).toBe("True Ready: 2 nodes forward to 1 backend by the last accepted spec");
    expect(status).toMatchObject({ observedGeneration: 2, nodes: { ready: 2, desired: 2 }, workers: 4 });
  });

  it("tells how far a rollout has come, what halts it, and what of it where the present spec is refused", () => {
    const rollout = (reason: "RollingOut" | "RolloutHalted") => ({ reason, message: `about ${reason}`, outdated: 1 });
    const of = (world: FakeWorld, reason: "RollingOut" | "RolloutHalted") => {
      const capabilities = "Kernel" as const;
      const given = {
        decision: decisionOf(world),
        applyError: undefined,
        rollout: rollout(reason),
        capabilities,
        now: NOW,
      };
      const { conditions } = planStatus(world, world.proxies[0]!, given);
      return conditions!.map(({ status, reason: why, message }) => `${status} ${why}: ${message}`);
    };
    const world = running();
    expect(of(world, "RollingOut")[1]).toBe("False RollingOut: about RollingOut");
    expect(of(world, "RollingOut")[2]).toMatch(/^True Ready/);
    expect(of(world, "RolloutHalted")[1]).toBe("False RolloutHalted: about RolloutHalted");
    world.parts.proxies = [proxy("edge", { backends: {} }, { generation: 2 })];
    expect(of(world, "RolloutHalted")[1]).toBe(
      "False InvalidSpec: the spec is not accepted; 2 nodes keep the last accepted spec; about RolloutHalted",
    );
  });

  it("names the pod that the scheduler finds no room for, at its node", () => {
    const world = running();
    const trouble = "Unschedulable: 1 Insufficient memory";
    world.parts.pods = [pod("node-1"), pod("node-2", { nodeName: "", targetNode: "node-2", ready: false, trouble })];
    expect(statusOf(world).condition("Programmed")).toBe(
      `False PodNotRunning: 1 of 2 nodes run the present spec; node-2: pod edge-node-2: ${trouble}`,
    );
  });

  it("shows why a plan could not be applied", () => {
    expect(statusOf(running(), "PATCH /apis/...: 403 forbidden").condition("Programmed")).toBe(
      "False ApplyFailed: PATCH /apis/...: 403 forbidden",
    );
  });

  it("has each condition once, also where a plan could not be applied and no node is ready for that reason", () => {
    const { status, condition } = statusOf(running({}, { ready: false }), "PATCH /apis/...: 403 forbidden");
    expect(status.conditions!.map(({ type }) => type)).toEqual(["Accepted", "Programmed", "Ready", "Degraded"]);
    expect(condition("Ready")).toBe("False ApplyFailed: PATCH /apis/...: 403 forbidden");
  });

  it("is degraded where the kernel grants a smaller receive buffer, or a node runs on its copy", () => {
    const clamped = { receiveBuffer: { askedBytes: 8_388_608, effectiveBytes: 425_984 } };
    expect(statusOf(running({}, clamped)).condition("Degraded")).toMatch(
      /^True LessThanAsked: node-1: receive buffer: asked 8388608 bytes, the kernel granted 212992; .*; and 1 more$/,
    );
    expect(statusOf(running({}, { source: "LastGood" })).condition("Degraded")).toContain("last-good copy");
    const both = { ...clamped, source: "LastGood" };
    expect(statusOf(running({}, both)).condition("Degraded")).toMatch(/last-good copy.*; receive buffer: asked/);
  });

  it("is degraded, and ready, where a node could not have the port of metrics", () => {
    const metricsReason = "metrics: TCP 127.0.0.1:9464 is taken by another program; set spec.metrics.port";
    const { condition } = statusOf(running({}, { metricsReason }));
    expect(condition("Degraded")).toBe(`True LessThanAsked: node-1: ${metricsReason}; and 1 more`);
    expect(condition("Ready")).toContain("True Ready");
  });
});

describe("changes of a status", () => {
  it("can wait where only numbers differ, and a little where more nodes are done", () => {
    const { status } = statusOf(running());
    expect(differenceOf(status, { ...status, dropsPerSecond: 5, flows: 1, workers: 1 })).toBe("numbers");
    const further = status.conditions?.map((each) => ({ ...each, message: "1 of 2 nodes run the present spec" }));
    const nodes = { desired: 2, programmed: 1, ready: 2, summary: "2/2" };
    expect(differenceOf(status, { ...status, nodes, conditions: further! })).toBe("progress");
    const turned = status.conditions?.map((each) => ({ ...each, status: "False" as const }));
    expect(differenceOf(status, { ...status, nodes, conditions: turned! })).toBe("state");
    expect(differenceOf(status, { ...status, nodes: { ...nodes, desired: 3 } })).toBe("state");
  });

  it("are events where conditions turn or backends change, and none while something takes its time", () => {
    const good = statusOf(running()).status;
    const waiting = statusOf(running({}, { appliedGeneration: FRESH.nowMs - 1, ready: false })).status;
    expect(statusHappenings({}, waiting)).toEqual([]);
    expect(statusHappenings(waiting, good).map(({ reason, note }) => `${reason} ${note}`)).toEqual([
      "Ready Ready: 2 nodes forward to 1 backend",
    ]);
    expect(statusHappenings(good, good)).toEqual([]);
    const fewer = { ...good, backends: { serving: 0, draining: 1 } };
    expect(statusHappenings(good, fewer)).toMatchObject([
      {
        type: "Normal",
        reason: "BackendsChanged",
        note: "backends changed: 0 serving, 1 draining (before: 1 serving, 0 draining)",
      },
    ]);
    const rolling = (reason: "RollingOut" | "RolloutHalted" | "RolloutPaused") => ({
      ...good,
      conditions: good.conditions!.map((each) =>
        each.type === "Programmed" ? { ...each, status: "False" as const, reason } : each,
      ),
    });
    const said = (...of: Parameters<typeof statusHappenings>) =>
      statusHappenings(...of).map(({ type, reason }) => `${type} ${reason}`);
    expect(said(good, rolling("RollingOut"))).toEqual(["Normal RollingOut"]);
    expect(said(rolling("RollingOut"), rolling("RolloutHalted"))).toEqual(["Warning RolloutHalted"]);
    expect(said(rolling("RolloutHalted"), rolling("RolloutPaused"))).toEqual(["Normal RolloutPaused"]);
    expect(said(rolling("RolloutHalted"), good)).toEqual(["Normal RolledOut"]);
    const drained = good.conditions!.map((each) =>
      each.type === "Ready" ? { ...each, status: "False" as const, reason: "Draining" } : each,
    );
    expect(said(good, { ...good, conditions: drained })).toEqual([]);
    const busy = statusOf(
      running({}, { appliedGeneration: 1, ready: false, reason: "ListenPortBusy", message: "busy" }),
    ).status;
    expect(statusHappenings(good, busy).map(({ type, reason }) => `${type} ${reason}`)).toEqual([
      "Warning ListenPortBusy",
    ]);
  });
});
