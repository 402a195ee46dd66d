import { beforeEach, describe, expect, it } from "vitest";
import { keySpecShape } from "../../../crds/key_schema.ts";
import { HashKeys } from "../../../operator/hash_keys.ts";
import { AssumingWorld, EchoApi } from "./echo_api.ts";
import { FRESH, node, planOf, proxy } from "./worlds.ts";

let api: EchoApi;
let world: AssumingWorld;
let keys: HashKeys;

beforeEach(() => {
  api = new EchoApi();
  world = new AssumingWorld({ nodes: [node("node-1")], proxies: [proxy("edge")] });
  keys = new HashKeys({ client: api.client(), caches: world });
});

const keyOf = () => keys.of(world.proxies[0]!);

describe("the hash key of a QuicProxy", () => {
  it("is made once, as an object of its own that goes with the QuicProxy", async () => {
    const key = await keyOf();
    const [body] = api.bodies;
    expect(body).toMatchObject({
      kind: "QuicProxyKey",
      metadata: { name: "edge", namespace: "media", ownerReferences: [{ uid: "uid-edge", controller: true }] },
      spec: { proxy: "edge", hashKey: key },
    });
    expect(keySpecShape.parse(body!.spec)).toEqual(body!.spec);
    await expect(keyOf()).resolves.toBe(key);
    expect(api.writes).toEqual(["POST edge"]);
  });

  it("is that of the first, where another operator was faster", async () => {
    const spec = { proxy: "edge", hashKey: "a".repeat(32) };
    api.refuse = (write) => (write.startsWith("POST") ? 409 : undefined);
    api.stored = { metadata: { name: "edge", namespace: "media", resourceVersion: "7" }, spec };
    await expect(keyOf()).resolves.toBe(spec.hashKey);
    await expect(keyOf()).resolves.toBe(spec.hashKey);
    expect(api.writes).toEqual(["POST edge", "GET edge"]);
  });

  it("is tried again where it is neither created nor there", async () => {
    api.refuse = (write) => (write.startsWith("POST") ? 409 : 404);
    await expect(keyOf()).rejects.toThrow("409");
  });

  it("outlasts the last node: back from zero nodes the key is the same", async () => {
    const hashKey = await keyOf();
    world.parts.nodes = [];
    expect(
      planOf(world, "edge", { ...FRESH, hashKey: await keyOf() })
        .stages.flat()
        .map(({ object }) => object.kind),
    ).not.toContain("QuicProxyNode");
    world.parts.nodes = [node("node-2")];
    const back = planOf(world, "edge", { ...FRESH, hashKey: await keyOf() });
    const object = back.stages.flat().find(({ object: { kind } }) => kind === "QuicProxyNode")?.object;
    expect(object).toMatchObject({ spec: { hashKey } });
  });

  it("is the one that the nodes have already: those of a version without QuicProxyKeys, or after it was deleted", async () => {
    const before = { ...FRESH, hashKey: "b".repeat(32) };
    Object.assign(world.parts, world.applied(planOf(world, "edge", before)).parts);
    await expect(keyOf()).resolves.toBe(before.hashKey);
  });
});
