import { describe, expect, it } from "vitest";
import type { Plan } from "../../../operator/plan/plan.ts";
import { projectNode, projectService, projectSlice } from "../../../operator/watch/project.ts";
import {
  decisionOf,
  FakeWorld,
  node,
  plannedBackends,
  planOf,
  proxy,
  quicProxyClass,
  SERVICE_SPEC,
  service,
  slice,
  type WorldParts,
} from "./worlds.ts";

const nodes = [
  node("node-1", {}, { addresses: ["10.0.0.1", "fd00::1"], podCidrs: ["10.1.1.0/24", "fd01:1::/64"] }),
  node("node-2", {}, { addresses: ["10.0.0.2"], podCidrs: ["10.1.2.0/24"] }),
];
const dns = service({
  namespace: "kube-system",
  name: "kube-dns",
  addresses: ["10.96.0.10", "203.0.113.7", "fd96::a"],
});
/** Servers of media, and those of another namespace. */
const slices = [slice(["10.1.1.5", "fd01:1::5"]), slice(["10.1.2.9"], { namespace: "victims", service: "db" })];

/** Everything is in the class's CIDRs, unless a test says otherwise. */
const EVERYWHERE = ["0.0.0.0/0", "::/0"];

function world(spec: object, destinations: object = { cidrs: EVERYWHERE }, parts: Partial<WorldParts> = {}): FakeWorld {
  const classes = [quicProxyClass({ destinations })];
  return new FakeWorld({
    nodes,
    classes,
    services: [service(), dns],
    slices,
    proxies: [proxy("edge", spec)],
    ...parts,
  });
}

const to = (...addresses: string[]): object => {
  return { backends: { static: addresses.map((address) => ({ address, port: 4433 })) } };
};

const said = (of: FakeWorld): string => {
  const { refusal } = decisionOf(of);
  return refusal === undefined ? "accepted" : `${refusal.reason}: ${refusal.message}`;
};

describe("an address in a spec, though the class lists every range", () => {
  it.each([
    ["10.0.0.1", "a node", /10\.0\.0\.1 is an address of a node/],
    ["fd00::1", "a node, IPv6", /is an address of a node/],
    ["FD00:0:0::0001", "a node, in other letters", /fd00::1|FD00:0:0::0001 is an address of a node/i],
    ["64:ff9b::10.0.0.1", "a node, behind a translator", /is an address of a node/],
    ["10.96.0.10", "a Service", /is an address of a Service/],
    ["203.0.113.7", "a Service, by its external or load-balancer address", /is an address of a Service/],
    ["fd96::a", "a Service, IPv6", /is an address of a Service/],
    ["10.1.2.9", "a pod of another namespace", /is an address of pods.*make a Service/],
    ["10.1.1.77", "a pod that nobody names", /is an address of pods/],
    ["fd01:1::77", "a pod that nobody names, IPv6", /is an address of pods/],
    ["64:ff9b::10.1.2.9", "a pod behind a translator", /is an address of pods/],
    ["64:ff9b::169.254.169.254", "the metadata service behind a translator", /translated, and 169\.254\.169\.254/],
    ["64:ff9b::127.0.0.1", "the node itself behind a translator", /translated, and 127\.0\.0\.1/],
  ])("%s, %s, is refused", (address, _, message) => {
    expect(said(world(to(address)))).toMatch(/^NotAllowedByClass/);
    expect(said(world(to(address)))).toMatch(message);
  });

  it.each([
    ["10.1.1.5"],
    ["fd01:1::5"],
    ["198.51.100.1"],
    ["2001:db8::1"],
    ["64:ff9b::198.51.100.1"],
  ])("%s is accepted: a pod of the namespace, or a server outside", (address) => {
    expect(said(world(to(address)))).toBe("accepted");
  });

  it("is refused with every other one at once", () => {
    const message = said(world(to("10.0.0.1", "198.51.100.1", "10.96.0.10")));
    expect(message).toMatch(/static\[0\]\.address.*static\[2\]\.address/);
    expect(message).not.toMatch(/static\[1\]/);
  });

  it("that is IPv4-mapped is no address of a host", () => {
    expect(said(world(to("::ffff:10.0.0.1")))).toMatch(/^InvalidSpec/);
  });
});

describe("a class that says nothing of destinations", () => {
  it("allows the pods of the namespace and nothing else", () => {
    expect(said(world(to("10.1.1.5"), {}))).toBe("accepted");
    expect(said(world(to("198.51.100.1"), {}))).toMatch(
      /neither a pod of the namespace.*nor in destinations\.cidrs of QuicProxyClass default \(none\)/,
    );
  });
});

describe("what a class does not guard", () => {
  it.each([
    ["Nodes", "10.0.0.1"],
    ["Services", "10.96.0.10"],
    ["Pods", "10.1.2.9"],
  ])("%s: is reached where it is in a range, and not beyond", (kind, address) => {
    const guarded = ["Nodes", "Services", "Pods"].filter((each) => each !== kind);
    expect(said(world(to(address), { cidrs: EVERYWHERE, guarded }))).toBe("accepted");
    expect(said(world(to(address), { cidrs: ["198.51.100.0/24"], guarded }))).toMatch(/^NotAllowedByClass/);
  });
});

describe("pods of a network that does not go by the nodes' ranges", () => {
  it("are guarded by ranges of the class, but for those of the namespace", () => {
    const own = [slice(["172.20.3.4"])];
    const destinations = { cidrs: EVERYWHERE, podCIDRs: ["172.20.0.0/14"] };
    expect(said(world(to("172.20.3.4"), destinations, { slices: own }))).toBe("accepted");
    expect(said(world(to("172.21.0.1"), destinations, { slices: own }))).toMatch(/is an address of pods/);
  });
});

// CVE-2021-25740 (kubernetes/kubernetes #103675): whoever writes EndpointSlices leads a load balancer to others' servers.
describe("an endpoint that was written by hand", () => {
  const hand = (address: string) => ({ address, isPod: false, ready: true, serving: true, terminating: false });
  const withHand = (...addresses: string[]): FakeWorld => {
    const endpoints = [...slices[0]!.endpoints.slice(0, 1), ...addresses.map(hand)];
    return world(
      SERVICE_SPEC,
      { cidrs: ["198.51.100.0/24", "10.0.0.0/8"] },
      {
        slices: [slice([], { endpoints }), slices[1]!],
      },
    );
  };

  it("is left out and named where it may not be sent to, and the others are used", () => {
    const of = withHand("10.0.0.2", "10.96.0.10", "10.1.2.9", "198.51.100.4", "192.0.2.1");
    expect(said(of)).toBe("accepted");
    expect(plannedBackends(planOf(of))).toEqual(["10.1.1.5 1", "198.51.100.4 1"]);
    const leftOut = decisionOf(of).inForce!.resolved.leftOut.join("\n");
    for (const address of ["10.0.0.2", "10.96.0.10", "10.1.2.9", "192.0.2.1"]) {
      expect(leftOut).toContain(`${address} of Service media/server is left out`);
    }
  });

  it("is used where another slice of the namespace says that it is a pod's", () => {
    const of = withHand("10.1.1.66");
    expect(plannedBackends(planOf(of))).toEqual(["10.1.1.5 1"]);
    of.parts.slices = [...of.parts.slices, slice(["10.1.1.66"], { service: "other" })];
    expect(plannedBackends(planOf(of))).toEqual(["10.1.1.5 1", "10.1.1.66 1"]);
  });

  it("that claims a node's or a Service's address for a pod is left out all the same", () => {
    const of = world(SERVICE_SPEC, {}, { slices: [slice(["10.0.0.1", "10.96.0.10", "10.1.1.5"])] });
    expect(plannedBackends(planOf(of))).toEqual(["10.1.1.5 1"]);
  });
});

const indexOf = (plan: Plan): object | undefined =>
  plan.stages.flat().find(({ object: { kind, metadata } }) => kind === "QuicProxyBackends" && metadata.name === "edge")
    ?.object;

describe("destinations that a class no longer allows", () => {
  it("are left out at once, and their removal is not held", () => {
    const before = world(to("198.51.100.1", "198.51.100.2", "203.0.113.9"), {
      cidrs: ["198.51.100.0/24", "203.0.113.8/29"],
    });
    const after = before.applied(planOf(before));
    after.parts.classes = [quicProxyClass({ destinations: { cidrs: ["203.0.113.8/29"] } })];
    expect(said(after)).toMatch(/^NotAllowedByClass: spec\.backends\.static\[0\]/);
    const plan = planOf(after);
    expect(plannedBackends(plan)).toEqual(["203.0.113.9 1"]);
    expect(indexOf(plan)).toMatchObject({ spec: { index: { removals: "Observed" } } });
    expect(decisionOf(after).inForce?.resolved.leftOut).toHaveLength(2);
  });

  it("are not held either where they were endpoints of a Service", () => {
    const endpoints = ["198.51.100.1", "198.51.100.2"].map((address) => {
      return { address, isPod: false, ready: true, serving: true, terminating: false };
    });
    const before = world(SERVICE_SPEC, { cidrs: ["198.51.100.0/24"] }, { slices: [slice([], { endpoints })] });
    const after = before.applied(planOf(before));
    after.parts.classes = [quicProxyClass()];
    const plan = planOf(after);
    expect(plannedBackends(plan)).toEqual([]);
    expect(indexOf(plan)).toMatchObject({ spec: { index: { removals: "Observed", count: 0 } } });
  });

  it("are those that became a node's, or another's pod's, too", () => {
    const before = world(to("198.51.100.1"), { cidrs: EVERYWHERE });
    const after = before.applied(planOf(before));
    after.parts.nodes = [...nodes, node("node-3", {}, { addresses: ["198.51.100.1"] })];
    expect(plannedBackends(planOf(after))).toEqual([]);
  });
});

describe("addresses as the API server has them", () => {
  it("are those of a node, but for its names", () => {
    const addresses = [
      { type: "InternalIP", address: "10.0.0.1" },
      { type: "ExternalIP", address: "2001:DB8::0:1" },
      { type: "Hostname", address: "node-1" },
    ];
    const raw = { metadata: { name: "n" }, spec: { podCIDR: "10.1.1.0/24" }, status: { addresses } };
    expect(projectNode(raw as never, {})).toMatchObject({
      addresses: ["10.0.0.1", "2001:db8::1"],
      podCidrs: ["10.1.1.0/24"],
    });
  });

  it("are all of a Service; one without has none", () => {
    const spec = {
      clusterIP: "10.96.0.9",
      clusterIPs: ["10.96.0.9", "fd96::9"],
      externalIPs: ["203.0.113.1"],
      loadBalancerIP: "203.0.113.2",
    };
    const status = { loadBalancer: { ingress: [{ ip: "203.0.113.3" }, { hostname: "lb.example" }] } };
    expect(projectService({ metadata: { name: "s" }, spec, status } as never).addresses).toEqual([
      "10.96.0.9",
      "fd96::9",
      "203.0.113.1",
      "203.0.113.2",
      "203.0.113.3",
    ]);
    const headless = { clusterIP: "None", clusterIPs: ["None"] };
    expect(projectService({ metadata: { name: "s" }, spec: headless } as never).addresses).toEqual([]);
  });

  it.each([
    [{ kind: "Pod", name: "a" }, true],
    [{ kind: "Pod", name: "a", namespace: "media" }, true],
    [{ kind: "Pod", name: "a", namespace: "victims" }, false],
    [{ kind: "Node", name: "a" }, false],
    [undefined, false],
  ])("of an endpoint for %j are a pod's: %j", (targetRef, isPod) => {
    const labels = { "kubernetes.io/service-name": "server" };
    const raw = {
      metadata: { name: "s", namespace: "media", labels },
      endpoints: [{ addresses: ["10.1.1.5"], ...(targetRef === undefined ? {} : { targetRef }) }],
    };
    expect(projectSlice(raw as never)?.endpoints[0]?.isPod).toBe(isPod);
  });
});
