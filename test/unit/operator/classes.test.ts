import { describe, expect, it } from "vitest";
import { decideAll } from "../../../operator/plan/decide.ts";
import { projectClass } from "../../../operator/watch/project.ts";
import type { ObservedClass } from "../../../operator/world.ts";
import {
  decisionOf,
  FakeWorld,
  FRESH,
  node,
  openClass,
  plannedBackends,
  planOf,
  proxy,
  quicProxyClass,
  SERVICE_SPEC,
  service,
  slice,
} from "./worlds.ts";

const nodes = [node("node-1", { pool: "edge" }), node("node-2")];

function world(spec: object, classes: ObservedClass[]): FakeWorld {
  return new FakeWorld({
    nodes,
    classes,
    proxies: [proxy("edge", spec)],
    services: [service()],
    slices: [slice(["10.1.0.1"])],
  });
}

const named = (name: string, spec: object = {}, changes: Partial<ObservedClass> = {}): ObservedClass =>
  quicProxyClass(spec, { name, isDefault: false, ...changes });

const refusalOf = (of: FakeWorld) => decisionOf(of).refusal;

/** The world once what is planned is applied, with other classes. */
function underClasses(before: FakeWorld, classes: ObservedClass[]): FakeWorld {
  const applied = before.applied(planOf(before));
  applied.parts.classes = classes;
  return applied;
}

interface Pods {
  spec: {
    template: {
      spec: {
        nodeSelector: Record<string, string>;
        priorityClassName?: string;
        containers: [{ securityContext: { capabilities: { add: string[] } }; resources: object }];
      };
    };
  };
}

function podsOf(of: FakeWorld): Pods["spec"]["template"]["spec"] {
  const object = planOf(of)
    .stages.flat()
    .find(({ object: { kind } }) => kind === "DaemonSet")!.object;
  return (object as unknown as Pods).spec.template.spec;
}

describe("the class of a QuicProxy", () => {
  it("is the one that it names", () => {
    const classes = [quicProxyClass(), named("open")];
    expect(decisionOf(world({ ...SERVICE_SPEC, className: "open" }, classes)).inForce?.terms?.className).toBe("open");
  });

  // kubernetes/kubernetes #103546: a name that was taken away left an Ingress without a class.
  it("is the default one where it names none, or none any more", () => {
    const classes = [quicProxyClass(), named("open")];
    const before = world({ ...SERVICE_SPEC, className: "open" }, classes);
    const applied = before.applied(planOf(before));
    applied.parts.proxies = [proxy("edge", SERVICE_SPEC)];
    expect(decisionOf(applied).inForce?.terms?.className).toBe("default");
  });

  // kubernetes/kubernetes #34549, #110559, #135819: two defaults refused everything, then one was drawn, then the newest.
  it("is the newest of several defaults, which is said; of two of one second that of the first name", () => {
    const at = (name: string, createdAt: string): ObservedClass => quicProxyClass({}, { name, createdAt });
    const [older, newer] = [at("old", "2026-01-01T00:00:00Z"), at("new", "2026-02-01T00:00:00Z")];
    for (const classes of [
      [older, newer],
      [newer, older],
    ]) {
      const { inForce, warnings } = decisionOf(world(SERVICE_SPEC, classes));
      expect(inForce?.terms?.className).toBe("new");
      expect(warnings).toEqual(["QuicProxyClasses new, old are all marked as the default; the newest, new, is it"]);
    }
    const twins = [at("b", older.createdAt), at("a", older.createdAt)];
    expect(decisionOf(world(SERVICE_SPEC, twins)).inForce?.terms?.className).toBe("a");
  });

  it.each([
    ["nobody has made", { className: "gone" }, [quicProxyClass()], /there is no QuicProxyClass gone; allowed: default/],
    ["nobody has marked", {}, [named("a"), named("b")], /no QuicProxyClass is marked as the default.*allowed: a, b/],
    ["of none", {}, [], /allowed: none, since there is no QuicProxyClass at all/],
  ])("%s is not found, and the remedy is said", (_, spec, classes, message) => {
    const { refusal, inForce } = decisionOf(world({ ...SERVICE_SPEC, ...spec }, classes));
    expect(refusal).toMatchObject({ reason: "ClassNotFound", message: expect.stringMatching(message) });
    expect(inForce).toBeUndefined();
  });

  it("that this version cannot read is said to be none", () => {
    const metadata = { name: "default", annotations: { "quicproxy.io/is-default-class": "true" } };
    const odd = projectClass({ metadata, spec: { tuning: "Perhaps" } } as never);
    expect(refusalOf(world(SERVICE_SPEC, [odd]))).toMatchObject({
      reason: "ClassNotFound",
      message: expect.stringMatching(/QuicProxyClass default is not one.*spec\.tuning: allowed: Allowed or Refused/),
    });
  });

  it("is the default one only where the annotation says true", () => {
    const of = (value: string): boolean =>
      projectClass({
        metadata: { name: "a", annotations: { "quicproxy.io/is-default-class": value } },
        spec: {},
      } as never).isDefault;
    expect([of("true"), of("false"), of("True"), of("")]).toEqual([true, false, false, false]);
  });
});

describe("what a class does not allow", () => {
  it("is refused with all that is wrong besides, each with what is allowed and who to ask", () => {
    const spec = {
      ...SERVICE_SPEC,
      listeners: [{ port: 53 }],
      dataPlane: { flowMemory: "8Gi", fastPath: "XDP" },
    };
    const refusal = refusalOf(world(spec, [quicProxyClass()]));
    expect(refusal?.reason).toBe("InvalidSpec");
    expect(refusal?.message).toMatch(/fastPath.*listeners\[0\]\.port: is 53; allowed by QuicProxyClass default: 443/);
    expect(refusal?.message).toMatch(/flowMemory: is 8Gi.*at most 1Gi; ask who administers QuicProxyClass default/);
  });

  it("is a reason of its own", () => {
    const refusal = refusalOf(world({ ...SERVICE_SPEC, listeners: [{ port: 53 }] }, [quicProxyClass()]));
    expect(refusal?.reason).toBe("NotAllowedByClass");
  });
});

describe("a class that is narrowed, while a QuicProxy runs", () => {
  const wide = { nodeSelector: { pool: "edge" }, priorityClassName: "high", capabilities: "Sockets" };
  const before = world({ ...SERVICE_SPEC, listeners: [{ port: 443 }] }, [quicProxyClass(wide)]);
  const narrow = { listenerPorts: [{ first: 5000, last: 5999 }], nodeSelector: { pool: "other" } };

  it("says what it no longer allows, and what runs goes on where it is", () => {
    const after = underClasses(before, [quicProxyClass(narrow)]);
    const { refusal, inForce } = decisionOf(after);
    expect(refusal?.reason).toBe("NotAllowedByClass");
    expect(inForce?.nodes.chosen).toEqual(["node-1"]);
    expect(plannedBackends(planOf(after))).toEqual(plannedBackends(planOf(before)));
  });

  it("changes capabilities and priority at once", () => {
    const changed = { ...narrow, capabilities: "Sockets", priorityClassName: "low" };
    const pods = podsOf(underClasses(before, [quicProxyClass(changed)]));
    expect(pods.priorityClassName).toBe("low");
    expect(pods.nodeSelector).toMatchObject({ pool: "edge" });
  });

  it("takes nothing else than destinations, capabilities and priority away", () => {
    const resourceful = world(SERVICE_SPEC, [quicProxyClass({ ...wide, resources: { limits: { memory: "1Gi" } } })]);
    const pods = podsOf(underClasses(resourceful, [quicProxyClass(narrow)]));
    expect(pods.containers[0].resources).toMatchObject({ limits: { memory: "1Gi" } });
  });

  it("does not come back wider when it is deleted", () => {
    const refused = underClasses(before, [quicProxyClass({ ...narrow, priorityClassName: "low" })]);
    const gone = underClasses(refused, []);
    expect(decisionOf(gone).refusal?.reason).toBe("ClassNotFound");
    expect(podsOf(gone).priorityClassName).toBe("low");
    expect(podsOf(gone).nodeSelector).toMatchObject({ pool: "edge" });
  });

  // contour #3700, #3923: what becomes of Gateways whose GatewayClass is deleted.
  it("and deleted stops nothing: endpoints are followed, under what it allowed last", () => {
    const gone = underClasses(before, []);
    gone.parts.slices = [slice(["10.1.0.1", "10.1.0.2"])];
    expect(decisionOf(gone).refusal?.reason).toBe("ClassNotFound");
    expect(plannedBackends(planOf(gone))).toEqual(["10.1.0.1 1", "10.1.0.2 1"]);
  });

  it("is written down once and then asks for no change", () => {
    const refused = underClasses(before, [quicProxyClass({ ...narrow, priorityClassName: "low" })]);
    const steady = refused.applied(planOf(refused));
    const again = steady.applied(planOf(steady));
    expect(again.parts.revisions).toEqual(steady.parts.revisions);
    expect(steady.parts.revisions).toHaveLength(1);
    expect(JSON.parse(steady.parts.revisions[0]!.terms!)).toMatchObject({ priorityClassName: "low" });
  });
});

describe("a QuicProxy that was accepted before there were classes", () => {
  const STATIC = { backends: { static: [{ address: "192.0.2.7", port: 4433 }] }, listeners: [{ port: 80 }] };

  function old(spec: object): FakeWorld {
    const before = world(spec, [openClass()]);
    const applied = before.applied(planOf(before));
    applied.parts.revisions = applied.parts.revisions.map((each) => ({ ...each, terms: undefined }));
    return applied;
  }

  // scality/metalk8s #3704, sighupio/module-ingress #68: an upgrade ignored what was made before the default class was.
  it("gets the default class, and nothing of it changes where that allows it", () => {
    const upgraded = old(SERVICE_SPEC);
    upgraded.parts.classes = [quicProxyClass()];
    const { refusal, inForce } = decisionOf(upgraded);
    expect(refusal).toBeUndefined();
    expect(inForce?.terms?.className).toBe("default");
    expect(plannedBackends(planOf(upgraded))).toEqual(["10.1.0.1 1"]);
  });

  it.each([
    ["before the class is there", []],
    ["once it is, and would not allow it", [quicProxyClass()]],
  ])("goes on with all of its destinations %s", (_, classes) => {
    const upgraded = old(STATIC);
    upgraded.parts.classes = classes;
    expect(decisionOf(upgraded).refusal?.reason).toBe(classes.length === 0 ? "ClassNotFound" : "NotAllowedByClass");
    expect(plannedBackends(planOf(upgraded))).toEqual(["192.0.2.7 1"]);
    const steady = upgraded.applied(planOf(upgraded));
    expect(plannedBackends(planOf(steady))).toEqual(["192.0.2.7 1"]);
  });

  it("keeps endpoints that its class would leave out, says so, and loses them with its next spec", () => {
    const upgraded = old(SERVICE_SPEC);
    upgraded.parts.classes = [quicProxyClass()];
    // Pods on their nodes' network.
    upgraded.parts.nodes = [node("node-1", {}, { addresses: ["10.1.0.1"] }), node("node-2")];
    const { refusal, warnings } = decisionOf(upgraded);
    expect(refusal).toBeUndefined();
    expect(warnings.join()).toMatch(/accepted before there were QuicProxyClasses.*10\.1\.0\.1 is an address of a node/);
    expect(plannedBackends(planOf(upgraded))).toEqual(["10.1.0.1 1"]);
    const steady = upgraded.applied(planOf(upgraded));
    expect(plannedBackends(planOf(steady))).toEqual(["10.1.0.1 1"]);
    steady.parts.proxies = [proxy("edge", { ...SERVICE_SPEC, routing: { idleTimeout: "60s" } })];
    expect(plannedBackends(planOf(steady))).toEqual([]);
  });

  it("is not fenced while it has no endpoint to tell by", () => {
    const upgraded = old(SERVICE_SPEC);
    upgraded.parts.classes = [quicProxyClass()];
    upgraded.parts.slices = [];
    const empty = upgraded.applied(planOf(upgraded));
    expect(decisionOf(empty).warnings).toEqual([]);
    empty.parts.slices = [slice([], { endpoints: [{ ...slice(["192.0.2.1"]).endpoints[0]!, isPod: false }] })];
    expect(plannedBackends(planOf(empty))).toEqual(["192.0.2.1 1"]);
  });

  it("is fenced from then on where that takes nothing from it", () => {
    const upgraded = old(SERVICE_SPEC);
    upgraded.parts.classes = [quicProxyClass()];
    const fenced = upgraded.applied(planOf(upgraded));
    fenced.parts.slices = [
      slice(["10.1.0.1"]),
      slice([], { endpoints: [{ ...slice(["192.0.2.1"]).endpoints[0]!, isPod: false }] }),
    ];
    expect(plannedBackends(planOf(fenced))).toEqual(["10.1.0.1 1"]);
  });

  it("is fenced from the first spec on that is accepted under a class", () => {
    const upgraded = old(STATIC);
    upgraded.parts.classes = [
      quicProxyClass({ destinations: { cidrs: ["192.0.2.0/24"] }, listenerPorts: [{ first: 80, last: 80 }] }),
    ];
    const accepted = upgraded.applied(planOf(upgraded));
    expect(decisionOf(accepted).refusal).toBeUndefined();
    accepted.parts.classes = [quicProxyClass()];
    expect(plannedBackends(planOf(accepted))).toEqual([]);
  });
});

it("terms that nobody can read are the narrowest", () => {
  const before = world(SERVICE_SPEC, [quicProxyClass({ capabilities: "Kernel" })]);
  const odd = underClasses(before, []);
  odd.parts.revisions = odd.parts.revisions.map((each) => ({ ...each, terms: "{" }));
  const decision = decideAll(odd, FRESH.nowMs).all.get("media/edge");
  expect(decision?.inForce?.terms).toMatchObject({ capabilities: "Sockets", destinations: { cidrs: [] } });
});
