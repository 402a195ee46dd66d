import { beforeEach, describe, expect, it } from "vitest";
import { ApiClient } from "../../../kube/client.ts";
import { FencedError, fenced } from "../../../kube/fence.ts";
import { Applier } from "../../../operator/apply.ts";
import { AssumingWorld, EchoApi } from "./echo_api.ts";
import { node, planOf, proxy } from "./worlds.ts";

let api: EchoApi;
let world: AssumingWorld;

beforeEach(() => {
  api = new EchoApi();
  world = new AssumingWorld({ nodes: [node("node-1"), node("node-2")], proxies: [proxy("edge")] });
});

const edge = () => world.proxies[0]!;

describe("after leadership is lost", () => {
  it("an apply under way stops at its next write", async () => {
    const client = new ApiClient(fenced(api.send, () => api.writes.length < 3));
    const applier = new Applier({ client, caches: world });
    await expect(applier.apply(edge(), planOf(world))).rejects.toThrow(FencedError);
    expect(api.writes).toHaveLength(3);
  });
});

describe("what is removed", () => {
  it("is not said to be gone where the API server refused", async () => {
    await new Applier({ client: api.client(), caches: world }).apply(edge(), planOf(world));
    world.parts.nodes.pop();
    const shrunk = planOf(world);
    expect(shrunk.surplus.map(({ name }) => name)).toContain("edge.node-2");
    api.refuse = (write) => (write.startsWith("DELETE") ? 500 : undefined);
    const refused = await new Applier({ client: api.client(), caches: world }).apply(edge(), shrunk);
    expect([refused.removed, refused.faults.length > 0]).toEqual([[], true]);
    api.refuse = (write) => (write.includes("quicproxy-edge") ? 403 : undefined);
    world.parts.children = [];
    const before = api.writes.length;
    const kept = await new Applier({ client: api.client(), caches: world }).apply(edge(), planOf(world));
    expect([kept.removed, kept.faults.length > 0]).toEqual([[], true]);
    expect(api.writes.slice(before).filter((write) => write.startsWith("DELETE"))).toEqual([]);
    api.refuse = () => undefined;
    const done = await new Applier({ client: api.client(), caches: world }).apply(edge(), planOf(world));
    expect([done.removed, done.faults]).toEqual([["edge.node-2"], []]);
  });
});
