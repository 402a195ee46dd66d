import { beforeEach, describe, expect, it } from "vitest";
import { ApiClient } from "../../../kube/client.ts";
import { FencedError, fenced } from "../../../kube/fence.ts";
import { Lanes } from "../../../kube/lanes.ts";
import { Applier } from "../../../operator/apply.ts";
import { NODE_LABELS_FINALIZER } from "../../../operator/names.ts";
import { AssumingWorld, EchoApi } from "./echo_api.ts";
import { FRESH, node, planOf, proxy } from "./worlds.ts";

let api: EchoApi;
let world: AssumingWorld;
let nowMs: number;
const steadyMs = () => nowMs;
const lanes = new Lanes({ width: 16 });

beforeEach(() => {
  api = new EchoApi();
  nowMs = 5;
  world = new AssumingWorld({ nodes: [node("node-1"), node("node-2")], proxies: [proxy("edge")] });
});

const edge = () => world.proxies[0]!;

describe("after leadership is lost", () => {
  it("an apply under way stops at its next write", async () => {
    const client = new ApiClient(fenced(api.send, () => api.writes.length < 3));
    const applier = new Applier({ client, caches: world, lanes, steadyMs });
    await expect(applier.apply(edge(), planOf(world))).rejects.toThrow(FencedError);
    expect(api.writes).toHaveLength(3);
  });
});

describe("what is removed", () => {
  it("is not said to be gone where the API server refused", async () => {
    await new Applier({ client: api.client(), caches: world, lanes, steadyMs }).apply(edge(), planOf(world));
    world.parts.nodes.pop();
    const shrunk = planOf(world);
    expect(shrunk.surplus.map(({ name }) => name)).toContain("edge.node-2");
    api.refuse = (write) => (write.startsWith("DELETE") ? 500 : undefined);
    const refused = await new Applier({ client: api.client(), caches: world, lanes, steadyMs }).apply(edge(), shrunk);
    expect([refused.removed, refused.faults.length > 0]).toEqual([[], true]);
    api.refuse = (write) => (write.includes("quicproxy-edge") ? 403 : undefined);
    world.parts.children = [];
    const before = api.writes.length;
    const kept = await new Applier({ client: api.client(), caches: world, lanes, steadyMs }).apply(
      edge(),
      planOf(world),
    );
    expect([kept.removed, kept.faults.length > 0]).toEqual([[], true]);
    expect(api.writes.slice(before).filter((write) => write.startsWith("DELETE"))).toEqual([]);
    api.refuse = () => undefined;
    const done = await new Applier({ client: api.client(), caches: world, lanes, steadyMs }).apply(
      edge(),
      planOf(world),
    );
    expect([done.removed, done.faults]).toEqual([["edge.node-2"], []]);
  });
});

describe("the finalizer", () => {
  it("is taken off once, also where the watch does not tell of it yet: the next would be refused for what is gone", async () => {
    world.parts.proxies = [proxy("edge", undefined, { deleting: true, finalizers: [NODE_LABELS_FINALIZER] })];
    const applier = new Applier({ client: api.client(), caches: world, lanes, steadyMs });
    await applier.apply(edge(), planOf(world));
    await applier.apply(edge(), planOf(world));
    expect(api.writes).toEqual(["PATCH edge"]);
    expect(edge().finalizers).toEqual([]);
  });
});

interface Changeable {
  spec: {
    intent: { dataPlane: Record<string, unknown> };
    index?: Record<string, unknown>;
    backends?: Record<string, unknown>[];
  };
}

describe("an object that the API server answers otherwise than it was applied", () => {
  type DaemonSet = { spec: { template: { spec: { containers: object[] } } } };
  const sidecar = (name: string) => (object: Record<string, unknown>) => {
    const changed = structuredClone(object) as unknown as DaemonSet;
    if (object.kind === "DaemonSet") changed.spec.template.spec.containers.push({ name });
    return changed as never;
  };
  let applier: Applier;
  const apply = async () => {
    api.writes.length = 0;
    const applied = await applier.apply(edge(), planOf(world, "edge", { ...FRESH, nowMs: FRESH.nowMs + nowMs }));
    return { ...applied, writes: [...api.writes] };
  };

  beforeEach(() => {
    applier = new Applier({ client: api.client(), caches: world, lanes, steadyMs });
  });

  it("by a webhook that adds to a list is left so, and said once", async () => {
    api.change = sidecar("mesh");
    expect((await apply()).altered.map(({ kind }) => kind)).toEqual(["DaemonSet"]);
    nowMs += 3_600_000;
    expect(await apply()).toMatchObject({ writes: [], altered: [], faults: [] });
  });

  it("is written again when somebody else changes it, and when the intent changes", async () => {
    api.change = sidecar("mesh");
    await apply();
    nowMs += 61_000;
    const daemonSet = world.parts.children.find(({ kind }) => kind === "DaemonSet") as unknown as DaemonSet;
    daemonSet.spec.template.spec.containers.push({ name: "by hand" });
    expect(await apply()).toMatchObject({ writes: ["PATCH quicproxy-edge"], altered: [] });
    world.parts.proxies = [proxy("edge", { dataPlane: { batch: 32 } })];
    expect((await apply()).altered).toHaveLength(1);
  });

  it("with something new each time is written once a minute, not in a circle", async () => {
    let count = 0;
    api.change = (object) => sidecar(`mesh-${count++}`)(object);
    await apply();
    const daemonSet = world.parts.children.find(({ kind }) => kind === "DaemonSet") as unknown as DaemonSet;
    daemonSet.spec.template.spec.containers.push({ name: "another" });
    expect((await apply()).writes).toEqual([]);
    nowMs += 61_000;
    expect((await apply()).writes).toEqual(["PATCH quicproxy-edge"]);
  });

  it("with defaults of newer CRDs is as it should be, and keeps its generation", async () => {
    api.change = (object) => {
      const { spec, ...rest } = structuredClone(object) as unknown as Changeable;
      if (object.kind === "QuicProxyNode") Object.assign(spec.intent.dataPlane, { pacing: "Auto" });
      if (spec?.index !== undefined) spec.index.zone = "any";
      for (const backend of spec?.backends ?? []) backend.tier = 0;
      return { ...rest, spec } as never;
    };
    expect((await apply()).faults).toEqual([]);
    const before = world.parts.nodeObjects.map(({ generation }) => generation);
    nowMs += 60_000;
    expect(await apply()).toMatchObject({ writes: [], faults: [] });
    expect(world.parts.nodeObjects.map(({ generation }) => generation)).toEqual(before);
  });

  it("without a part that older CRDs do not have is said, and gets no new generation at each try", async () => {
    api.change = (object) => {
      const { spec, ...rest } = structuredClone(object) as unknown as Changeable;
      if (object.kind === "QuicProxyNode") delete spec.intent.dataPlane.newFlowsPerSecond;
      return { ...rest, spec } as never;
    };
    const dropped = "QuicProxyNode edge.node-1: the API server dropped a part of it";
    expect((await apply()).faults[0]?.message).toContain(dropped);
    nowMs += 3_600_000;
    const again = await apply();
    expect(again.faults[0]?.message).toContain(dropped);
    expect(again.writes).toEqual([]);
  });
});
