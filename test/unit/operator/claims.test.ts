import { describe, expect, it } from "vitest";
import { decideAll } from "../../../operator/plan/decide.ts";
import { decisionOf, FakeWorld, FRESH, node, planOf, pod, proxy, SERVICE_SPEC, service, slice } from "./worlds.ts";

const nodes = [node("node-1"), node("node-2")];
const old = { createdAt: "2025-01-01T00:00:00Z" };
const port = (number: number) => ({ listeners: [{ port: number }] });
const pods = (name: string) => nodes.map((each) => pod(each.name, { proxy: name, name: `${name}-${each.name}` }));

/** A world in which `edge` was accepted, with pods or without. */
function accepted(spec: object, parts: object = {}): FakeWorld {
  const world = new FakeWorld({ nodes, proxies: [proxy("edge", spec)], pods: pods("edge"), ...parts });
  return world.applied(planOf(world));
}

function reasonOf(world: FakeWorld, name: string, nowMs = FRESH.nowMs): string {
  return decisionOf(world, name, nowMs).refusal?.reason ?? "accepted";
}

describe("ports are those of what runs", () => {
  it("not of an older one that moves onto them: it is told who has them, and both go on", () => {
    const world = accepted(port(443));
    world.parts.proxies = [proxy("edge", port(443)), proxy("older", port(8443), old)];
    const both = world.applied(planOf(world, "older"));
    both.parts.proxies = [proxy("edge", port(443)), proxy("older", port(443), old)];
    expect(reasonOf(both, "edge")).toBe("accepted");
    expect(decisionOf(both, "older").refusal?.message).toContain(
      "UDP port 443 is that of QuicProxy media/edge on nodes node-1, node-2",
    );
    expect(decisionOf(both, "older").inForce?.spec.listeners[0]?.port).toBe(8443);
  });

  it.each([
    ["its Service is deleted", { services: [] }, SERVICE_SPEC],
    ["its spec is spoilt", {}, { listeners: [{ port: 443 }, { port: 443 }] }],
  ])("though %s", (_, parts, spoilt) => {
    const world = accepted({ ...SERVICE_SPEC, ...port(443) }, { services: [service()], slices: [slice(["10.1.0.1"])] });
    Object.assign(world.parts, parts);
    world.parts.proxies = [
      proxy("edge", { ...port(443), ...spoilt }, old),
      proxy("younger", { ...port(443), backends: { static: [] } }),
    ];
    expect(reasonOf(world, "younger")).toBe("PortConflict");
  });

  it("while a pod is away for a moment", () => {
    const world = accepted(port(443));
    const { nodeObjects } = world.parts;
    world.parts.nodeObjects = nodeObjects.map((object) => ({ ...object, status: { appliedGeneration: 1 } }));
    world.parts.pods = [];
    world.parts.proxies = [proxy("edge", port(443), old), proxy("younger", port(443))];
    expect(reasonOf(world, "younger", FRESH.nowMs + 3_600_000)).toBe("PortConflict");
  });

  it("not of one whose pods nobody lets be made, once it had time", () => {
    const world = accepted(port(443), { pods: [] });
    world.parts.proxies = [proxy("edge", port(443), old), proxy("younger", port(443))];
    expect(reasonOf(world, "younger")).toBe("PortConflict");
    const { changeAtMs } = decideAll(world, FRESH.nowMs);
    expect(changeAtMs).toBe(FRESH.nowMs + 120_000);
    expect(reasonOf(world, "younger", changeAtMs)).toBe("accepted");
  });

  it("and once it may make them after all it comes to no node that another has", () => {
    const world = accepted(port(443), { pods: [] });
    world.parts.proxies = [proxy("edge", port(443), old), proxy("younger", port(443))];
    const laterMs = FRESH.nowMs + 120_000;
    const after = world.applied(planOf(world, "younger", { ...FRESH, nowMs: laterMs }));
    after.parts.pods = pods("younger");
    const edge = decisionOf(after, "edge", laterMs);
    expect(edge.inForce?.nodes.chosen).toEqual([]);
    expect(edge.inForce?.takenNodes?.message).toContain("QuicProxy media/younger");
    expect(decisionOf(after, "younger", laterMs).inForce?.nodes.chosen).toEqual(["node-1", "node-2"]);
  });

  it("of the one that is there, on a node that comes to match both", () => {
    const selector = (name: string) => ({ nodes: { selector: { [name]: "" } } });
    const apart = [node("node-1", { a: "" }), node("node-2", { b: "" })];
    const proxies = [
      proxy("edge", { ...port(443), ...selector("a") }, old),
      proxy("other", { ...port(443), ...selector("b") }),
    ];
    let world = new FakeWorld({ nodes: apart, proxies, pods: [pod("node-1"), pod("node-2", { proxy: "other" })] });
    world = world.applied(planOf(world, "edge"));
    world = world.applied(planOf(world, "other"));
    world.parts.nodes = [node("node-1", { a: "" }), node("node-2", { a: "", b: "" })];
    const edge = decisionOf(world, "edge", FRESH.nowMs + 120_000);
    expect(edge.inForce?.nodes.chosen).toEqual(["node-1"]);
    expect(edge.inForce?.takenNodes?.message).toContain("media/other on node node-2");
    expect(decisionOf(world, "other", FRESH.nowMs + 120_000).inForce?.nodes.chosen).toEqual(["node-2"]);
  });
});
