import { beforeEach, describe, expect, it } from "vitest";
import type { Happening } from "../../../../kube/events.ts";
import { Lanes } from "../../../../kube/lanes.ts";
import { recordOf } from "../../../../operator/rollout/record.ts";
import { Roller } from "../../../../operator/rollout/roller.ts";
import type { ObservedNodeObject, ObservedPod } from "../../../../operator/world.ts";
import { AssumingWorld, EchoApi } from "../echo_api.ts";
import { accepted, FRESH, node, planOf, pod, proxy } from "../worlds.ts";

let api: EchoApi;
let world: AssumingWorld;
let roller: Roller;
let happenings: Happening[];

const log = { info: () => {} } as never;

beforeEach(() => {
  api = new EchoApi();
  happenings = [];
  const before = new AssumingWorld({ nodes: [node("node-1"), node("node-2")], proxies: [proxy("edge")] });
  const { parts } = before.applied(planOf(before));
  const children = parts.children.map((child) => ({ ...child, status: { observedGeneration: 1 } }));
  world = new AssumingWorld({ ...parts, children, pods: [pod("node-1"), pod("node-2")] });
  const assume = world.assume.bind(world);
  world.assume = (resource, object) => {
    if (resource.kind !== "Pod" && object.kind !== undefined) assume(resource, object);
  };
  const events = { record: async (_: unknown, happening: Happening) => void happenings.push(happening) };
  roller = new Roller({
    client: api.client(),
    caches: world,
    events,
    lanes: new Lanes({ width: 16 }),
    now: () => FRESH.nowMs,
  });
});

const roll = () => roller.roll(world.proxies[0]!, accepted(world), log);

describe("a step", () => {
  it("writes down what is known of the former pod before it deletes that one, and no other of its name", async () => {
    const { progress, fault } = await roll();
    expect(fault).toBeUndefined();
    expect(progress?.reason).toBe("RollingOut");
    expect(api.writes).toEqual(["PATCH edge.node-1", "DELETE edge-node-1"]);
    const [patch, deletion] = api.bodies as unknown as [{ metadata: ObservedNodeObject["metadata"] }, object];
    expect(recordOf(patch.metadata)).toMatchObject({ pod: "uid-node-1", wasReady: true, replacedAtMs: FRESH.nowMs });
    expect(deletion).toMatchObject({ kind: "DeleteOptions", preconditions: { uid: "uid-node-1" } });
    expect(happenings).toMatchObject([
      { type: "Normal", reason: "PodReplaced", note: expect.stringContaining("node-1: pod edge-node-1 is replaced: ") },
    ]);
    expect([roller.replaced, roller.progress.get("media/edge")?.outdated]).toEqual([1, 2]);
  });

  it("deletes nothing where that cannot be written down", async () => {
    api.refuse = (write) => (write.startsWith("PATCH") ? 403 : undefined);
    expect((await roll()).fault?.message).toContain("403");
    expect(api.writes).toEqual(["PATCH edge.node-1"]);
    expect(happenings).toEqual([]);
  });

  it("leaves a pod alone that is another by now (409), and says what it has no right to", async () => {
    api.refuse = (write) => (write.startsWith("DELETE") ? 409 : undefined);
    expect(await roll()).toMatchObject({ fault: undefined });
    api.refuse = (write) => (write.startsWith("DELETE") ? 403 : undefined);
    expect((await roll()).fault?.message).toMatch(/DELETE .*\/pods\/edge-node-1.*403/);
    expect([roller.replaced, happenings]).toEqual([0, []]);
  });

  it("tells a proxy that it is drained together with what is known of it", async () => {
    world.parts.proxies = [proxy("edge", { rollout: { drain: "10s" } })];
    await roll();
    expect(api.writes).toEqual(["PATCH edge.node-1"]);
    expect(api.bodies[0]).toMatchObject({ spec: { drain: true }, metadata: { annotations: expect.anything() } });
  });

  it("forgets a rollout that is done", async () => {
    await roll();
    const template = JSON.stringify(world.parts.children).match(/"quicproxy.io\/template":"([0-9a-f]+)"/)![1]!;
    world.parts.pods = world.parts.pods.map((each): ObservedPod => ({ ...each, template }));
    world.parts.nodeObjects = world.parts.nodeObjects.map((each) => ({
      ...each,
      status: { ready: true, appliedGeneration: each.generation },
    }));
    await roll();
    expect(roller.progress.size).toBe(0);
  });
});
