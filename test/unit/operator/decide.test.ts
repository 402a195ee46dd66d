import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decideAll } from "../../../operator/plan/decide.ts";
import { accepted, decisionOf, FakeWorld, node, pod, proxy, SERVICE_SPEC, service, slice } from "./worlds.ts";

const nodes = [node("node-1", { edge: "" }), node("node-2", { edge: "" }), node("node-3")];

function refusal(world: FakeWorld, name = "edge"): { reason: string; message: string } {
  return decisionOf(world, name).refusal ?? { reason: "accepted", message: "" };
}

describe("a spec that the CRD let through", () => {
  const spec = (changes: object) => new FakeWorld({ nodes, proxies: [proxy("edge", changes)] });

  it.each([
    [
      "every fault at once",
      { listeners: [{ port: 443 }, { port: 443 }], dataPlane: { fastPath: "XDP" } },
      /listeners\[1\].*XDP/,
    ],
    [
      "an unknown word",
      { routing: { fallback: "Random" } },
      /spec\.routing\.fallback: allowed: FourTuple or ConnectionID/,
    ],
    [
      "quantities that do not parse",
      { dataPlane: { flowMemory: "lots" } },
      /spec\.dataPlane\.flowMemory: allowed: a size/,
    ],
    ["no source of backends", { backends: {} }, /names no backends/],
    [
      "a Service with port and portName",
      { backends: { service: { name: "a", port: 1, portName: "b" } } },
      /both port and portName/,
    ],
  ])("is refused with %s", (_, changes, message) => {
    expect(refusal(spec(changes))).toMatchObject({ reason: "InvalidSpec", message: expect.stringMatching(message) });
  });

  it("is refused with no spec at all", () => {
    expect(refusal(new FakeWorld({ proxies: [proxy("edge", {}, { spec: undefined })] })).reason).toBe("InvalidSpec");
  });
});

describe("backends of a Service", () => {
  const world = (parts: object = {}) =>
    new FakeWorld({
      nodes,
      proxies: [proxy("edge", SERVICE_SPEC)],
      services: [service()],
      slices: [slice(["10.1.0.2", "10.1.0.1"])],
      ...parts,
    });

  it("are the addresses of its endpoints at the target port, sorted", () => {
    expect(accepted(world()).resolved.backends).toEqual([
      { address: "10.1.0.1", port: 4433, weight: 1 },
      { address: "10.1.0.2", port: 4433, weight: 1 },
    ]);
  });

  it("keep their flows and get no new one while they terminate or are not ready", () => {
    const endpoints = [
      { address: "10.1.0.1", isPod: true, ready: true, serving: true, terminating: true },
      { address: "10.1.0.2", isPod: true, ready: false, serving: false, terminating: false },
      { address: "10.1.0.3", isPod: true, ready: true, serving: true, terminating: false },
    ];
    const weights = accepted(world({ slices: [slice([], { endpoints })] })).resolved.backends.map(
      ({ weight }) => weight,
    );
    expect(weights).toEqual([0, 0, 1]);
  });

  it("count once where two slices have them, and as ready where one says so", () => {
    const stale = slice([], {
      endpoints: [{ address: "10.1.0.1", isPod: true, ready: false, serving: false, terminating: false }],
    });
    expect(accepted(world({ slices: [stale, slice(["10.1.0.1"])] })).resolved.backends).toEqual([
      { address: "10.1.0.1", port: 4433, weight: 1 },
    ]);
  });

  it("are those of the Service's first family", () => {
    const six = slice(["2001:db8::1"], { family: "IPv6" });
    const both = world({ slices: [slice(["10.1.0.1"]), six] });
    expect(accepted(both).resolved.backends.map(({ address }) => address)).toEqual(["10.1.0.1"]);
    const sixOnly = world({ services: [service({ family: "IPv6" })], slices: [slice(["10.1.0.1"]), six] });
    expect(accepted(sixOnly).resolved.backends.map(({ address }) => address)).toEqual(["2001:db8::1"]);
  });

  it("may be none: that is accepted", () => {
    expect(accepted(world({ slices: [] })).resolved.backends).toEqual([]);
  });

  it("are found by the name of the port too", () => {
    const proxies = [proxy("edge", { backends: { service: { name: "server", portName: "quic" } } })];
    expect(accepted(world({ proxies })).resolved.backends).toHaveLength(2);
  });

  it.each([
    ["no such Service", { services: [] }, "ServiceNotFound", "there is no Service media/server"],
    ["an ExternalName", { services: [service({ type: "ExternalName" })] }, "ServiceNotUsable", "ExternalName"],
    [
      "another port",
      { services: [service({ ports: [{ name: "quic", port: 4433, protocol: "UDP" }] })] },
      "ServicePortNotFound",
      "has no UDP port 443; it has 4433/UDP (quic)",
    ],
    [
      "a TCP port",
      { services: [service({ ports: [{ name: "", port: 443, protocol: "TCP" }] })] },
      "ServicePortNotFound",
      "443/TCP",
    ],
  ])("are refused with %s", (_, parts, reason, message) => {
    expect(refusal(world(parts))).toMatchObject({ reason, message: expect.stringContaining(message) });
  });
});

describe("two QuicProxies that want one port on one node", () => {
  const older = proxy("old", {}, { createdAt: "2025-01-01T00:00:00Z" });

  it("leave it to the older one, and the younger is told where, with whom and what to do", () => {
    const world = new FakeWorld({ nodes, proxies: [proxy("edge"), older] });
    expect(refusal(world, "old").reason).toBe("accepted");
    expect(refusal(world)).toEqual({
      reason: "PortConflict",
      message:
        "spec.listeners[0]: UDP port 443 is that of QuicProxy media/old on nodes node-1, node-2, node-3; " +
        "choose another port, or select other nodes",
    });
  });

  it("do not conflict on other nodes, other addresses, or other ports", () => {
    const other = [
      proxy("edge", { nodes: { selector: { edge: "" } } }),
      proxy("old", { nodes: { selector: { other: "" } } }, { createdAt: "2025-01-01T00:00:00Z" }),
    ];
    expect(refusal(new FakeWorld({ nodes, proxies: other })).reason).toBe("accepted");
    const address = [
      proxy("edge", { listeners: [{ port: 443, address: "192.0.2.1" }] }),
      proxy("old", { listeners: [{ port: 443, address: "192.0.2.2" }] }, { createdAt: "2025-01-01T00:00:00Z" }),
    ];
    expect(refusal(new FakeWorld({ nodes, proxies: address })).reason).toBe("accepted");
  });

  it("of metrics are nobody's: two with the defaults stand side by side", () => {
    const world = new FakeWorld({ nodes, proxies: [proxy("edge", { listeners: [{ port: 8443 }] }), older] });
    expect(refusal(world).reason).toBe("accepted");
  });

  it("do not conflict with one that is refused itself, or goes", () => {
    const broken = proxy("old", { backends: {} }, { createdAt: "2025-01-01T00:00:00Z" });
    expect(refusal(new FakeWorld({ nodes, proxies: [proxy("edge"), broken] })).reason).toBe("accepted");
    const going = { ...older, deleting: true };
    expect(refusal(new FakeWorld({ nodes, proxies: [proxy("edge"), going] })).reason).toBe("accepted");
  });

  it("are decided alike in whatever order they are seen", () => {
    const many = ["a", "b", "c", "d"].map((name, index) =>
      proxy(name, { listeners: [{ port: 443 + (index % 2) }] }, { createdAt: `2025-01-0${1 + (index % 3)}T00:00:00Z` }),
    );
    const verdicts = (proxies: typeof many) =>
      [...decideAll(new FakeWorld({ nodes, proxies }), 0).all]
        .map(([key, { refusal: why }]) => `${key} ${why?.message}`)
        .sort();
    fc.assert(
      fc.property(fc.shuffledSubarray(many, { minLength: 4 }), (shuffled) => {
        expect(verdicts(shuffled)).toEqual(verdicts(many));
      }),
    );
  });
});

describe("the nodes of a QuicProxy", () => {
  const chosen = (spec: object, all = nodes) =>
    accepted(new FakeWorld({ nodes: all, proxies: [proxy("edge", spec)] })).nodes;

  it("are all without a selector, and those with the labels otherwise", () => {
    expect(chosen({}).chosen).toEqual(["node-1", "node-2", "node-3"]);
    expect(chosen({ nodes: { selector: { edge: "" } } }).chosen).toEqual(["node-1", "node-2"]);
  });

  it("have no taint that is not tolerated", () => {
    const tainted = [
      node(
        "master",
        {},
        { taints: [{ key: "node-role.kubernetes.io/control-plane", value: "", effect: "NoSchedule" }] },
      ),
      node("cordoned", {}, { taints: [{ key: "node.kubernetes.io/unschedulable", value: "", effect: "NoSchedule" }] }),
      node("soft", {}, { taints: [{ key: "soft", value: "", effect: "PreferNoSchedule" }] }),
      node("edge", {}, { taints: [{ key: "dedicated", value: "edge", effect: "NoExecute" }] }),
    ];
    expect(chosen({}, tainted).chosen).toEqual(["cordoned", "soft"]);
    const tolerations = [{ key: "dedicated", value: "edge" }];
    expect(chosen({ nodes: { tolerations } }, tainted).chosen).toEqual(["cordoned", "edge", "soft"]);
    expect(chosen({ nodes: { tolerations: [{ operator: "Exists" }] } }, tainted).chosen).toHaveLength(4);
    const wrong = [
      { key: "dedicated", value: "other" },
      { key: "dedicated", value: "edge", effect: "NoSchedule" },
    ];
    expect(chosen({ nodes: { tolerations: wrong } }, tainted).chosen).toEqual(["cordoned", "soft"]);
  });

  it("are as many as scaling.nodes says, and those that have the proxy stay", () => {
    const label = "edge.media.quicproxy.io/node";
    const first = chosen({ scaling: { nodes: 2 } });
    expect(first.labels).toEqual([{ node: "node-3", label, excluded: true }]);
    const all = ["node-1", "node-2"].map((name) => node(name));
    const running = new FakeWorld({
      nodes: [...all, node("node-3")],
      pods: [pod("node-3")],
      proxies: [proxy("edge", { scaling: { nodes: 1 } })],
    });
    expect(accepted(running).nodes.chosen).toEqual(["node-3"]);
    const labelled = [node("node-1", { [label]: "false" }), node("node-2", { [label]: "true" })];
    expect(chosen({}, labelled).labels).toEqual(labelled.map(({ name }) => ({ node: name, label, excluded: false })));
  });
});
