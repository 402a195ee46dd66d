import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nodeSpecShape } from "../../../crds/node_schema.ts";
import type { KubernetesObject } from "../../../kube/objects.ts";
import { covers, needOf } from "../../../operator/diff.ts";
import { imageLabels } from "../../../operator/names.ts";
import { planDaemonSet } from "../../../operator/plan/daemon_set.ts";
import { projectNode } from "../../../operator/watch/project.ts";
import type { ObservedNodeObject } from "../../../operator/world.ts";
import {
  accepted,
  FakeWorld,
  FRESH,
  find,
  node,
  POD_OPTIONS,
  planOf,
  proxy,
  SERVICE_SPEC,
  service,
  slice,
} from "./worlds.ts";

const nodes = [node("node-1", { edge: "" }), node("node-2", { edge: "" })];

function world(spec: object = {}, parts: object = {}): FakeWorld {
  return new FakeWorld({ nodes, proxies: [proxy("edge", spec)], ...parts });
}

const needs = (of: FakeWorld, plan = planOf(of)) =>
  plan.stages.flat().flatMap((desired) => {
    const need = needOf(desired, of);
    return need === undefined ? [] : [`${need} ${desired.object.kind} ${desired.object.metadata.name}`];
  });

interface NodeSpec {
  spec: { generation: number; hashKey: string; removals: string; intent: { backends: { static: object[] } } };
}

describe("the plan of a new QuicProxy", () => {
  const plan = planOf(world());

  it("has rights and contents before the pods that need them", () => {
    expect(needs(world())).toEqual([
      expect.stringMatching(/^create ControllerRevision quicproxy-edge-accepted-[0-9a-f]{16}$/),
      "create ServiceAccount quicproxy-edge",
      "create Role quicproxy-edge",
      "create RoleBinding quicproxy-edge",
      expect.stringMatching(/^create QuicProxyBackends edge\.[0-9a-f]{16}$/),
      "create QuicProxyBackends edge",
      "create QuicProxyNode edge.node-1",
      "create QuicProxyNode edge.node-2",
      "create DaemonSet quicproxy-edge",
    ]);
  });

  it("lets proxies read and report their own objects and nothing else", () => {
    const { rules } = find<{ rules: object[] }>(plan, "Role");
    const resourceNames = ["edge.node-1", "edge.node-2"];
    expect(rules).toEqual([
      { apiGroups: ["quicproxy.io"], resources: ["quicproxynodes"], resourceNames, verbs: ["get", "list", "watch"] },
      { apiGroups: ["quicproxy.io"], resources: ["quicproxybackends"], verbs: ["list", "watch"] },
      { apiGroups: ["quicproxy.io"], resources: ["quicproxynodes/status"], resourceNames, verbs: ["patch"] },
    ]);
  });

  it("owns every child, so that all go with it", () => {
    for (const { object } of plan.stages.flat()) {
      expect(object.metadata).toMatchObject({
        namespace: "media",
        labels: { "app.kubernetes.io/managed-by": "quicproxy-operator", "quicproxy.io/proxy": "edge" },
        ownerReferences: [{ kind: "QuicProxy", name: "edge", uid: "uid-edge", controller: true }],
      });
    }
  });

  it("gives each node what its schema takes", () => {
    for (const { object } of plan.stages.flat().filter(({ object: { kind } }) => kind === "QuicProxyNode")) {
      expect(nodeSpecShape.parse((object as unknown as NodeSpec).spec)).toEqual((object as unknown as NodeSpec).spec);
    }
    expect(find<NodeSpec>(plan, "QuicProxyNode").spec).toMatchObject({
      generation: FRESH.nowMs,
      hashKey: FRESH.hashKey,
    });
  });
});

interface PodTemplate {
  spec: {
    template: {
      metadata: { annotations: Record<string, string> };
      spec: { containers: [Record<string, Record<string, unknown>>]; [key: string]: unknown };
    };
  };
}

describe("the DaemonSet", () => {
  it("has the same pods whatever number of nodes is asked for: kubectl scale restarts none", () => {
    const [all, one, two] = [{}, { scaling: { nodes: 1 } }, { scaling: { nodes: 2 } }].map((spec) => template(spec));
    expect(one).toEqual(all);
    expect(two).toEqual(all);
    expect(JSON.stringify(all?.spec.affinity)).toContain(
      '{"key":"edge.media.quicproxy.io/node","operator":"NotIn","values":["false"]}',
    );
  });

  const template = (spec: object = {}) => find<PodTemplate>(planOf(world(spec)), "DaemonSet").spec.template;

  it("runs on the host's network with the least rights and no declared port", () => {
    const { spec } = template();
    expect(spec).toMatchObject({ hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" });
    const [container] = spec.containers;
    expect(container).not.toHaveProperty("ports");
    expect(container?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsUser: 0,
      capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] },
    });
  });

  it("is probed on a socket of the pod, which no port of the host can take away", () => {
    const [container] = template().spec.containers;
    const asks = (path: string, waitMs: string) => ({
      exec: { command: ["quicproxy-probe", "/run/quicproxy/health.sock", path, waitMs] },
    });
    expect(container).toMatchObject({
      startupProbe: asks("/healthz", "1500"),
      livenessProbe: asks("/healthz", "4500"),
      readinessProbe: asks("/readyz", "1500"),
    });
    expect(container.args).toEqual(expect.arrayContaining(["--health-socket", "/run/quicproxy/health.sock"]));
    expect(container.volumeMounts).toContainEqual({ name: "health", mountPath: "/run/quicproxy" });
  });

  it.each([
    [{}, "208Mi"],
    [{ flowMemory: "256Mi" }, "400Mi"],
    [{ mode: "Decoupled" }, "272Mi"],
  ])("asks for the memory that %o needs", (dataPlane, memory) => {
    expect(template({ dataPlane }).spec.containers[0].resources).toEqual({ requests: { cpu: "100m", memory } });
  });

  it("does not change with what reaches a running proxy", () => {
    const backends = { static: [{ address: "10.0.0.9", port: 1, weight: 9 }] };
    const changed = {
      listeners: [{ port: 8443 }],
      backends,
      routing: { idleTimeout: "60s" },
      metrics: { address: "0.0.0.0", port: 0 },
      dataPlane: { receiveBuffer: "1Mi", workers: { max: 2 } },
    };
    expect(template(changed)).toEqual(template());
  });

  const encrypted = (...refs: object[]) => ({
    routing: {
      quicLB: refs.map((secretRef, rotation) => ({ rotation, serverIdLength: 4, nonceLength: 8, key: { secretRef } })),
    },
  });

  it("does not change with keys that come into the Secret which is always mounted, nor with entries of another", () => {
    const own = { name: "quicproxy-edge-keys" };
    expect(template(encrypted(own, { ...own, key: "next" }))).toEqual(template());
    const other = { name: "cid-keys", key: "first" };
    expect(template(encrypted(other, { ...other, key: "next" }))).toEqual(template(encrypted(other)));
    expect(template(encrypted(other))).not.toEqual(template());
  });

  it("mounts each Secret as a directory that only the proxy reads, and starts without it", () => {
    const { spec } = template(encrypted({ name: "cid-keys" }));
    const secret = (secretName: string) => ({ secretName, defaultMode: 0o400, optional: true });
    expect(spec.volumes).toEqual(
      expect.arrayContaining([
        { name: "key-0", secret: secret("quicproxy-edge-keys") },
        { name: "key-1", secret: secret("cid-keys") },
      ]),
    );
    expect(spec.containers[0].volumeMounts).toContainEqual({
      name: "key-1",
      mountPath: "/etc/quicproxy/keys/cid-keys",
      readOnly: true,
    });
  });

  it.each([
    [{ mode: "Baseline" }],
    [{ batch: 32 }],
    [{ flowMemory: "128Mi" }],
    [{ upstreamSockets: 1000 }],
  ])("rolls for what a running proxy cannot change: %o", (dataPlane) => {
    expect(template({ dataPlane }).metadata.annotations).not.toEqual(template().metadata.annotations);
  });

  it("does not roll for another way to write the same size", () => {
    expect(template({ dataPlane: { flowMemory: "65536Ki" } })).toEqual(template());
  });

  it("follows selector, tolerations and chosen nodes", () => {
    const spec = {
      nodes: { selector: { edge: "" }, tolerations: [{ key: "a", operator: "Exists" }] },
      scaling: { nodes: 1 },
    };
    expect(template(spec).spec).toMatchObject({
      nodeSelector: { "kubernetes.io/os": "linux", edge: "" },
      tolerations: [{ key: "a", operator: "Exists" }],
    });
  });
});

describe("nodes that cannot run the image", () => {
  it("have neither pod nor object: those of another operating system, or architecture where it is for one", () => {
    const mixed = world({}, { nodes: [...nodes, node("windows", {}, { runsImage: false })] });
    const names = planOf(mixed)
      .stages.flat()
      .map(({ object }) => object.metadata.name);
    expect(names.filter((name) => name.startsWith("edge.node") || name.includes("windows"))).toEqual([
      "edge.node-1",
      "edge.node-2",
    ]);
    const options = { ...POD_OPTIONS, architecture: "arm64" };
    const { object } = planDaemonSet(mixed.proxies[0]!, { ...accepted(mixed), restartedFor: undefined }, options);
    expect((object as unknown as PodTemplate).spec.template.spec.nodeSelector).toEqual({
      "kubernetes.io/os": "linux",
      "kubernetes.io/arch": "arm64",
    });
  });

  it.each([
    [{}, undefined, false],
    [{ os: "windows" }, undefined, false],
    [{ os: "linux" }, undefined, true],
    [{ os: "linux", arch: "arm64" }, "amd64", false],
    [{ os: "linux", arch: "arm64" }, "arm64", true],
  ])("are told by their labels: %o with an image for %s: %s", (given, architecture, runsImage) => {
    const labels = Object.fromEntries(Object.entries(given).map(([key, value]) => [`kubernetes.io/${key}`, value]));
    expect(projectNode({ metadata: { name: "n", labels } }, imageLabels(architecture))).toMatchObject({ runsImage });
  });
});

describe("a plan on what was applied", () => {
  it("asks for nothing, whatever the spec", () => {
    const weight = fc.integer({ min: 0, max: 65_535 });
    const spec = fc.record({
      listeners: fc.constantFrom([{ port: 443 }], [{ port: 1 }, { port: 2, address: "::1" }]),
      backends: fc.record({
        static: fc.uniqueArray(
          fc.record({ address: fc.ipV4().filter((ip) => /^[1-9]\d?\./.test(ip)), port: fc.constant(1), weight }),
          { maxLength: 5, selector: ({ address }) => address },
        ),
      }),
      scaling: fc.option(fc.record({ nodes: fc.integer({ min: 0, max: 3 }) }), { nil: undefined }),
      routing: fc.constantFrom({}, { idleTimeout: "60s" }, { fallback: "ConnectionID", connectionIdLength: 8 }),
    });
    fc.assert(
      fc.property(spec, (chosen) => {
        const before = world(chosen);
        const after = before.applied(planOf(before));
        const again = planOf(after, "edge", { ...FRESH, nowMs: FRESH.nowMs + 1000 });
        expect(needs(after, again)).toEqual([]);
        expect([...again.surplus, ...again.labels]).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  it("is the same in whatever order nodes, slices and endpoints are seen", () => {
    const addresses = ["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4"];
    const of = (order: readonly string[], reversed: boolean) =>
      planOf(
        world(SERVICE_SPEC, {
          services: [service()],
          slices: [slice(order.slice(0, 2)), slice(order.slice(2))],
          nodes: reversed ? [...nodes].reverse() : nodes,
        }),
      );
    fc.assert(
      fc.property(fc.shuffledSubarray(addresses, { minLength: 4 }), fc.boolean(), (order, reversed) => {
        expect(of(order, reversed)).toEqual(of(addresses, false));
      }),
      { numRuns: 30 },
    );
  });

  it("gives changed content a higher generation", () => {
    const before = world();
    const applied = before.applied(planOf(before));
    applied.parts.proxies = [proxy("edge", { listeners: [{ port: 8443 }] }, { generation: 2 })];
    const plan = planOf(applied, "edge", { ...FRESH, nowMs: 5 });
    const { generation } = find<NodeSpec>(plan, "QuicProxyNode").spec;
    expect(generation).toBe(FRESH.nowMs + 1);
    expect(needs(applied, plan)).toEqual([
      expect.stringMatching(/^create ControllerRevision /),
      "update QuicProxyNode edge.node-1",
      "update QuicProxyNode edge.node-2",
    ]);
  });

  it("never starts below what a node runs on: after a restore from backup, or where the object was deleted", () => {
    const before = world();
    const applied = before.applied(planOf(before));
    const object = applied.parts.nodeObjects[0] as ObservedNodeObject;
    applied.parts.nodeObjects[0] = { ...object, status: { appliedGeneration: FRESH.nowMs + 70_000 } };
    expect(find<NodeSpec>(planOf(applied), "QuicProxyNode", "edge.node-1").spec.generation).toBe(FRESH.nowMs + 70_001);
    applied.parts.nodeObjects.shift();
    const later = { ...FRESH, nowMs: FRESH.nowMs + 5 };
    const recreated = find<NodeSpec>(planOf(applied, "edge", later), "QuicProxyNode", "edge.node-1").spec;
    expect(recreated).toMatchObject({ generation: FRESH.nowMs + 5, hashKey: FRESH.hashKey });
  });

  it("puts back what was deleted or changed by hand", () => {
    const before = world();
    const applied = before.applied(planOf(before));
    const daemonSet = applied.child("DaemonSet", "media", "quicproxy-edge") as unknown as PodTemplate;
    daemonSet.spec.template.spec.hostNetwork = false;
    applied.parts.children = applied.parts.children.filter(({ kind }) => kind !== "Role");
    const object = applied.parts.nodeObjects[0] as ObservedNodeObject;
    applied.parts.nodeObjects[0] = { ...object, digest: "changed by hand" };
    expect(needs(applied)).toEqual([
      "create Role quicproxy-edge",
      "update QuicProxyNode edge.node-1",
      "update DaemonSet quicproxy-edge",
    ]);
  });

  it("asks for nothing of what a list told of, which names no kind at its items", () => {
    const before = world();
    const applied = before.applied(planOf(before));
    const listed = (kind: string, namespace: string, name: string) => {
      const { apiVersion: _, kind: __, ...item } = applied.child(kind, namespace, name)!;
      return item as KubernetesObject;
    };
    const afterRestart = Object.assign(new FakeWorld(applied.parts), { child: listed });
    expect(needs(afterRestart)).toEqual([]);
  });

  it("sees that the intent only takes something away", () => {
    const before = world({ nodes: { tolerations: [{ key: "a", operator: "Exists" }] } });
    const applied = before.applied(planOf(before));
    applied.parts.proxies = [proxy("edge", { nodes: { tolerations: [] } })];
    expect(needs(applied).slice(1)).toEqual(["update DaemonSet quicproxy-edge"]);
  });

  it("removes the objects of nodes that no longer run the proxy", () => {
    const before = world();
    const applied = before.applied(planOf(before));
    applied.parts.nodes = [node("node-1")];
    expect(planOf(applied).surplus.map(({ name }) => name)).toEqual(["edge.node-2"]);
  });

  it("leaves everything as it is where nothing was ever accepted", () => {
    const plan = planOf(world({ backends: {} }));
    expect(plan).toEqual({ stages: [], surplus: [], labels: [], finalizer: false });
  });

  it("takes its labels off all nodes when the QuicProxy goes, and needs no finalizer without them", () => {
    const label = "edge.media.quicproxy.io/node";
    const gone = world(
      {},
      { nodes: [node("node-1", { [label]: "false" })], proxies: [proxy("edge", {}, { deleting: true })] },
    );
    expect(planOf(gone)).toMatchObject({ labels: [{ node: "node-1", label, excluded: false }], finalizer: false });
    expect(planOf(world()).finalizer).toBe(false);
    expect(planOf(world({ scaling: { nodes: 1 } })).finalizer).toBe(true);
  });
});

describe("covers", () => {
  it.each([
    [{ a: 1, b: 2 }, { a: 1 }, true],
    [{ a: 1 }, { a: 1, b: 2 }, false],
    [{ a: [{ x: 1, y: 2 }] }, { a: [{ x: 1 }] }, true],
    [{ a: [1, 2] }, { a: [1] }, false],
    [{ a: null }, { a: [] }, true],
    [{}, { a: {} }, true],
    [{ a: null }, { a: [1] }, false],
    [undefined, { a: 1 }, false],
    [{ a: 1 }, { a: {} }, false],
    [{ a: 1 }, { a: undefined }, true],
  ])("%j covers %j: %s", (observed, desired, expected) => {
    expect(covers(observed, desired)).toBe(expected);
  });
});
