import { describe, expect, it } from "vitest";
import { specOf } from "../../../operator/plan/accepted.ts";
import { nodeStates } from "../../../operator/status/nodes.ts";
import {
  decisionOf,
  FakeWorld,
  FRESH,
  find,
  node,
  plannedBackends,
  planOf,
  pod,
  proxy,
  SERVICE_SPEC,
  service,
  slice,
} from "./worlds.ts";

const nodes = [node("node-1"), node("node-2")];

/** A world in which `edge` was accepted and runs on both nodes. */
function running(spec: object = SERVICE_SPEC, parts: object = {}): FakeWorld {
  const world = new FakeWorld({
    nodes,
    proxies: [proxy("edge", spec)],
    services: [service()],
    slices: [slice(["10.1.0.1"])],
    pods: [pod("node-1"), pod("node-2")],
    ...parts,
  });
  return world.applied(planOf(world));
}

const addressesOf = (world: FakeWorld): string[] => plannedBackends(planOf(world));

const mistakes: [string, object][] = [
  ["a typo past CEL", { ...SERVICE_SPEC, listeners: [{ port: 443 }, { port: 443 }] }],
  ["a Service that is not there", { backends: { service: { name: "sever", port: 443 } } }],
  ["a port that the Service does not have", { backends: { service: { name: "server", port: 4433 } } }],
  ["a destination that no proxy may have", { backends: { static: [{ address: "127.0.0.1", port: 1 }] } }],
  ["no spec that anything can read", { backends: 7 }],
];

describe("what was accepted goes on", () => {
  it.each(mistakes)("and follows its endpoints, after %s", (_, mistake) => {
    const world = running();
    world.parts.proxies = [proxy("edge", mistake, { generation: 2 })];
    world.parts.slices = [slice(["10.1.0.9"])];
    expect(decisionOf(world).refusal).toBeDefined();
    expect(addressesOf(world)).toEqual(["10.1.0.9 1"]);
  });

  it.each(mistakes)("and comes to nodes that join, after %s", (_, mistake) => {
    const world = running();
    world.parts.proxies = [proxy("edge", mistake, { generation: 2 })];
    world.parts.nodes = [...nodes, node("node-3")];
    expect(
      planOf(world)
        .stages.flat()
        .map(({ object }) => object.metadata.name),
    ).toContain("edge.node-3");
  });

  it("and its pods roll with the operator's image", () => {
    const world = running();
    world.parts.proxies = [proxy("edge", { backends: {} })];
    expect(
      planOf(world)
        .stages.flat()
        .map(({ object }) => object.kind),
    ).toContain("DaemonSet");
  });

  it("while another one takes a port that the new spec wants", () => {
    const other = proxy("other", { listeners: [{ port: 8443 }] });
    const world = running({ ...SERVICE_SPEC }, { proxies: [proxy("edge", SERVICE_SPEC), other] });
    const applied = world.applied(planOf(world, "other"));
    const wanted = { ...SERVICE_SPEC, listeners: [{ port: 443 }, { port: 8443 }] };
    applied.parts.proxies = [proxy("edge", wanted, { createdAt: "2020-01-01T00:00:00Z" }), other];
    applied.parts.slices = [slice(["10.1.0.9"])];
    expect(decisionOf(applied).refusal).toMatchObject({ reason: "PortConflict" });
    expect(decisionOf(applied, "other").refusal).toBeUndefined();
    expect(addressesOf(applied)).toEqual(["10.1.0.9 1"]);
  });

  it("and is replaced by the next that is accepted, whose number is higher", () => {
    const world = running();
    world.parts.proxies = [proxy("edge", { ...SERVICE_SPEC, listeners: [{ port: 8443 }] })];
    const plan = planOf(world);
    const after = world.applied(plan);
    expect(plan.surplus.map(({ resource }) => resource.kind)).toEqual(["ControllerRevision"]);
    expect(after.parts.revisions.map(({ revision }) => revision)).toEqual([2]);
    expect(specOf(after.parts.revisions[0])?.listeners[0]?.port).toBe(8443);
  });

  it("is the spec before, again, once it is written again", () => {
    const world = running();
    const second = { ...SERVICE_SPEC, listeners: [{ port: 8443 }] };
    world.parts.proxies = [proxy("edge", second)];
    // The operator ended between writing the second and removing the first.
    const both = world.applied({ ...planOf(world), surplus: [] });
    both.parts.proxies = [proxy("edge", SERVICE_SPEC)];
    const { revisions } = both.applied(planOf(both)).parts;
    expect(revisions.map(({ revision }) => revision)).toEqual([3]);
    expect(specOf(revisions[0])?.listeners[0]?.port).toBe(443);
  });

  it("but is not that of a QuicProxy of the same name before it", () => {
    const world = running();
    world.parts.proxies = [proxy("edge", { backends: {} }, { uid: "another" })];
    expect(decisionOf(world).inForce).toBeUndefined();
    world.parts.proxies = [proxy("edge", SERVICE_SPEC, { uid: "another" })];
    const [before, after] = [world, world.applied(planOf(world))].map(({ parts }) => parts.revisions[0]?.name);
    expect(after).not.toBe(before);
  });

  it("has no backend once its Service is deleted: no freeze, and no new connection to whoever has the address next", () => {
    const world = running();
    world.parts.services = [];
    expect(decisionOf(world).refusal).toBeUndefined();
    expect(decisionOf(world).inForce?.resolved.problem).toMatchObject({ reason: "ServiceNotFound" });
    expect(addressesOf(world)).toEqual([]);
    world.parts.services = [service()];
    expect(addressesOf(world)).toEqual(["10.1.0.1 1"]);
  });
});

describe("a spec that another version of the operator accepted", () => {
  const revision = (data: unknown) => {
    return {
      namespace: "media",
      name: "a",
      proxy: "edge",
      ownerUid: "uid-edge",
      revision: 1,
      createdAtMs: 0,
      terms: undefined,
      data,
    };
  };

  it("keeps values that this version would refuse, and gets defaults for what it did not know", () => {
    const { routing: _, ...older } = running().parts.revisions[0]?.data as Record<string, unknown>;
    const stricter = { ...older, dataPlane: { ...(older.dataPlane as object), batch: 1_000_000 } };
    const spec = specOf(revision(stricter));
    expect(spec?.dataPlane.batch).toBe(1_000_000);
    expect(spec?.routing.fallback).toBe("FourTuple");
    expect(spec?.backends.service?.name).toBe("server");
  });

  it.each([
    [undefined],
    [null],
    ["text"],
    [{}],
    [{ listeners: 1, backends: {} }],
    [{ listeners: [] }],
  ])("is none where it is %j", (data) => {
    expect(specOf(revision(data))).toBeUndefined();
  });
});

describe("endpoints", () => {
  const endpoint = (address: string, changes: object = {}) => {
    return { address, isPod: true, ready: true, serving: true, terminating: false, ...changes };
  };
  const stopping = { ready: false, serving: true, terminating: true };

  it("that still serve while they terminate stand in while none is ready (KEP-1669)", () => {
    const slices = (...endpoints: object[]) => ({ slices: [slice([], { endpoints: endpoints as never })] });
    expect(addressesOf(running(SERVICE_SPEC, slices(endpoint("10.1.0.1", stopping))))).toEqual(["10.1.0.1 1"]);
    const oneReady = slices(endpoint("10.1.0.1", stopping), endpoint("10.1.0.2"));
    expect(addressesOf(running(SERVICE_SPEC, oneReady))).toEqual(["10.1.0.1 0", "10.1.0.2 1"]);
    const dead = slices(endpoint("10.1.0.1", { ready: false, serving: false, terminating: true }));
    expect(addressesOf(running(SERVICE_SPEC, dead))).toEqual(["10.1.0.1 0"]);
  });

  it.each([
    "169.254.169.254",
    "100.100.100.200",
    "127.0.0.1",
    "224.0.0.1",
    "0.0.0.0",
    "nonsense",
  ])("at %s are left out and named, and keep no other from being used", (address) => {
    const world = running(SERVICE_SPEC, { slices: [slice(["10.1.0.1", address])] });
    expect(addressesOf(world)).toEqual(["10.1.0.1 1"]);
    expect(decisionOf(world).inForce?.resolved.leftOut).toEqual([expect.stringContaining(address)]);
  });

  it("beyond the bound are left out, those that take none first", () => {
    const many = Array.from({ length: 16_400 }, (_, at) => {
      return endpoint(`10.2.${at >> 8}.${at & 255}`, at < 16_384 ? {} : { ready: false, serving: false });
    });
    const { resolved } = decisionOf(running(SERVICE_SPEC, { slices: [slice([], { endpoints: many })] })).inForce!;
    expect(resolved.backends).toHaveLength(16_384);
    expect(resolved.backends.every(({ weight }) => weight === 1)).toBe(true);
    expect(resolved.leftOut[0]).toContain("16400 endpoints");
  });
});

describe("the nodes of what runs", () => {
  const taint = (effect: string) => [{ key: "dedicated", value: "db", effect }];

  it.each(["NoSchedule", "NoExecute"])("stay under a taint %s for as long as their pod does", (effect) => {
    const world = running();
    world.parts.nodes = [node("node-1"), node("node-2", {}, { taints: taint(effect) })];
    expect(planOf(world).surplus).toEqual([]);
    world.parts.pods = [pod("node-1")];
    expect(planOf(world).surplus.map(({ name }) => name)).toEqual(["edge.node-2"]);
  });

  it("that are not ready give way where spec.scaling.nodes says how many, to such as are", () => {
    const scaled = { ...SERVICE_SPEC, scaling: { nodes: 1 } };
    const world = running(scaled, { pods: [pod("node-1")] });
    world.parts.nodes = [node("node-1", {}, { ready: false }), node("node-2")];
    expect(decisionOf(world).inForce?.nodes.chosen).toEqual(["node-2"]);
    world.parts.nodes = [node("node-1", {}, { ready: false }), node("node-2", {}, { ready: false })];
    expect(decisionOf(world).inForce?.nodes.chosen).toEqual(["node-1"]);
  });

  it("that report what nobody asked for stop no other", () => {
    const world = running();
    const status = { appliedGeneration: Number.MAX_SAFE_INTEGER, appliedBackends: Number.MAX_SAFE_INTEGER };
    world.parts.nodeObjects = world.parts.nodeObjects.map((object) => {
      return object.nodeName === "node-1" ? { ...object, status } : object;
    });
    world.parts.slices = [slice(["10.1.0.9"])];
    world.parts.proxies = [proxy("edge", { ...SERVICE_SPEC, listeners: [{ port: 8443 }] })];
    const laterMs = FRESH.nowMs + 5;
    const plan = planOf(world, "edge", { ...FRESH, nowMs: laterMs });
    for (const name of ["edge.node-1", "edge.node-2"]) {
      expect(find<{ spec: { generation: number } }>(plan, "QuicProxyNode", name).spec.generation).toBe(laterMs);
    }
    const { spec } = find<{ spec: { index: { generation: number } } }>(plan, "QuicProxyBackends", "edge");
    expect(spec.index.generation).toBe(laterMs);
    const [state] = nodeStates({
      objects: world.parts.nodeObjects,
      pods: world.parts.pods,
      absence: undefined,
      backends: 1,
      capabilities: "Kernel",
    });
    expect(state?.programmed).toBe(false);
  });
});
