import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, type ClusterNode, kubectl, workerNodes } from "../cluster/cluster.ts";
import { findCluster } from "../cluster/provider.ts";
import { until } from "../until.ts";
import { Echo } from "./scene/echo.ts";
import { apply, condition, list, untilEqual } from "./scene/objects.ts";
import { clientsHostAddress, install, system, uninstall } from "./scene/product.ts";

/*
 * What was accepted goes on being followed, whatever is wrong with what was written later, with one endpoint or with one
 * node. ROLL: the only server goes to another port; new flows through every node have to be answered by it.
 */

const namespace = "e2e-in-force";
const fenced = "e2e-in-force-fenced";
const listenPort = 7_011;
const ports = [9_411, 9_412] as const;

let cluster: Cluster;
let nodes: ClusterNode[];
let host: string;
let echo: Echo;
let at = 0;

const quicProxy = (name: string, spec: object, where = namespace): object => {
  const metadata = { namespace: where, name };
  return { apiVersion: "quicproxy.io/v1alpha1", kind: "QuicProxy", metadata, spec };
};
const edge = (changes: object = {}): object => {
  const backends = { service: { name: "echo", portName: "echo" } };
  return quicProxy("edge", { listeners: [{ port: listenPort }], backends, ...changes });
};
const service = (): object => {
  const spec = { ports: [{ name: "echo", port: 7, protocol: "UDP" }] };
  return { apiVersion: "v1", kind: "Service", metadata: { namespace, name: "echo" }, spec };
};

interface Endpoint {
  address: string;
  conditions?: object;
}

const slice = (name: string, endpoints: readonly Endpoint[]): object => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { namespace, name, labels: { "kubernetes.io/service-name": "echo" } },
  addressType: "IPv4",
  ports: [{ name: "echo", port: ports[at], protocol: "UDP" }],
  endpoints: endpoints.map(({ address, conditions = { ready: true } }) => ({ addresses: [address], conditions })),
});

const label = (): string => `server on ${ports[at]}`;
const said = (type: string): Promise<string> => condition(cluster, namespace, "edge", type);

async function answers(since: number): Promise<void> {
  const addresses = nodes.map(({ v4 }) => v4!);
  await until(`${label()} answers through every node`, async () => {
    return !echo.since(since, label(), addresses).includes(undefined);
  });
}

async function roll(conditions: object = { ready: true }): Promise<void> {
  at = 1 - at;
  const since = Date.now();
  await apply(cluster, slice("echo-1", [{ address: host, conditions }]));
  await answers(since);
}

async function pods(): Promise<string[]> {
  const found = await list(cluster, "pods", ["-n", namespace, "-l", "quicproxy.io/proxy=edge"]);
  return found.map(({ metadata }) => metadata.uid).sort();
}

const inNamespace = (...args: string[]): Promise<string> => kubectl(cluster, ["-n", namespace, ...args]);

beforeAll(async () => {
  cluster = await findCluster(console.log);
  nodes = await workerNodes(cluster);
  host = await clientsHostAddress(cluster);
  await install(cluster);
  echo = new Echo(cluster);
  await Promise.all(ports.map((port) => echo.answer(port, `server on ${port}`)));
  const enforce = { "pod-security.kubernetes.io/enforce": "baseline" };
  await apply(
    cluster,
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    { apiVersion: "v1", kind: "Namespace", metadata: { name: fenced, labels: enforce } },
    service(),
    slice("echo-1", [{ address: host }]),
    edge(),
    quicProxy("refused", { listeners: [{ port: 7_012 }], backends: { static: [] } }, fenced),
  );
  await echo.ask(
    listenPort,
    nodes.map(({ v4 }) => v4!),
  );
  await answers(0);
}, 400_000);

afterAll(async () => {
  echo?.stop();
  for (const name of [namespace, fenced]) {
    await kubectl(cluster, ["delete", "namespace", name, "--ignore-not-found", "--timeout=180s"]);
  }
  await uninstall(cluster).catch(() => undefined);
  await kubectl(cluster, ["delete", "namespace", system, "--ignore-not-found", "--timeout=180s"]);
}, 400_000);

describe("endpoints are followed", () => {
  test("K1: while the present spec wants a port that another QuicProxy has", async () => {
    await apply(cluster, quicProxy("other", { listeners: [{ port: 7_013 }], backends: { static: [] } }));
    await until("the other is accepted", async () =>
      (await condition(cluster, namespace, "other", "Accepted")).startsWith("True"),
    );
    await apply(cluster, edge({ listeners: [{ port: listenPort }, { port: 7_013 }] }));
    await until("the conflict is said", async () =>
      /^False PortConflict: .*e2e-in-force\/other/.test(await said("Accepted")),
    );
    expect(await said("Accepted")).toContain("the last accepted spec stays in force");
    await roll();
    await until("it is ready", async () => /^True Ready: .*by the last accepted spec$/.test(await said("Ready")));
    await inNamespace("delete", "qp", "other", "--timeout=60s");
    await until("it is accepted once the port is free", async () => (await said("Accepted")).startsWith("True"));
    await apply(cluster, edge());
    await roll();
  });

  test("K1: while the present spec names a Service that is not there, also by an operator that starts then", async () => {
    await apply(cluster, edge({ backends: { service: { name: "ehco", portName: "echo" } } }));
    await until("it is refused", async () => (await said("Accepted")).startsWith("False ServiceNotFound"));
    await roll();
    await kubectl(cluster, ["-n", system, "delete", "pod", "-l", "app.kubernetes.io/name=quicproxy", "--wait=false"]);
    await roll();
    await apply(cluster, edge());
    await until("it is accepted", async () => (await said("Accepted")).startsWith("True"));
  });

  test("K1: a Service that is deleted has no backends, and has them again once it is there", async () => {
    await inNamespace("delete", "service", "echo");
    await until("no backend is left", async () => (await said("Ready")).startsWith("False ServiceNotFound"));
    expect(await said("Accepted")).toMatch(/^True/);
    await apply(cluster, service());
    await roll();
  });

  test("K2: beside one that no proxy may send to, which is named; pods that start then forward, too", async () => {
    await apply(cluster, slice("hand", [{ address: "100.100.100.200" }]));
    await until("it is named", async () =>
      (await said("Degraded")).startsWith("True EndpointsLeftOut: 100.100.100.200 of Service"),
    );
    await roll();
    await inNamespace("delete", "pod", "-l", "quicproxy.io/proxy=edge", "--wait=false");
    await until("new pods are ready", async () => (await said("Ready")).startsWith("True"));
    await roll();
    await inNamespace("delete", "endpointslice", "hand");
    await until("nothing is left out", async () => !(await said("Degraded")).includes("EndpointsLeftOut"));
  });

  test("K3: while the metrics port is one that the nodes have taken, and no pod is restarted for it", async () => {
    const before = await pods();
    await apply(cluster, edge({ metrics: { port: 10_250 } }));
    await until("it is said", async () => /^True LessThanAsked: .*metrics: TCP .*10250/.test(await said("Degraded")));
    await roll();
    expect(await said("Ready")).toMatch(/^True/);
    await apply(cluster, edge());
    await until("the metrics are back", async () => (await said("Degraded")).startsWith("False"));
    expect(await pods()).toEqual(before);
  });

  test("K4: on a node with a taint that came after the pod", async () => {
    const { name } = nodes[1]!;
    const before = await pods();
    await kubectl(cluster, ["taint", "node", name, "dedicated=db:NoSchedule"]);
    try {
      await sleep(2000);
      await roll();
      const objects = await list(cluster, "quicproxynodes", ["-n", namespace]);
      expect(objects.map(({ metadata }) => metadata.name)).toContain(`edge.${name}`);
      expect(await pods()).toEqual(before);
    } finally {
      await kubectl(cluster, ["taint", "node", name, "dedicated-"]);
    }
  });

  test("K9: of which the only one still serves while it terminates", async () => {
    await roll({ ready: false, serving: true, terminating: true });
    expect(await said("Ready")).toMatch(/^True/);
    await roll();
  });
});

describe("what people read and do", () => {
  test("K5, K6: kubectl scale restarts no pod, and too few nodes are said", async () => {
    const before = await pods();
    await inNamespace("patch", "qp", "edge", "--type=merge", "-p", '{"spec":{"scaling":{"nodes":2}}}');
    await sleep(3000);
    await roll();
    expect(await pods()).toEqual(before);
    await inNamespace("scale", "qp", "edge", "--replicas=5");
    await until("it is said", async () =>
      (await said("Degraded")).startsWith("True TooFewNodes: spec.scaling.nodes asks for 5 nodes, and 2"),
    );
    await inNamespace("scale", "qp", "edge", "--replicas=1");
    await untilEqual("one pod is left", async () => (await pods()).length, 1);
    await inNamespace("patch", "qp", "edge", "--type=json", "-p", '[{"op":"remove","path":"/spec/scaling"}]');
    await until("both nodes are back", async () => (await said("Ready")).startsWith("True Ready: 2 nodes"));
  });

  test("K7: Ready stays as it is while endpoints change", async () => {
    const ready = async (): Promise<string> =>
      inNamespace("get", "qp", "edge", "-o", 'jsonpath={.status.conditions[?(@.type=="Ready")].lastTransitionTime}');
    const before = await ready();
    for (let change = 0; change < 5; change++) await roll();
    expect(await ready()).toBe(before);
  });

  test("K8: what has no effect is said in the condition and by an event", async () => {
    await apply(cluster, edge({ tuning: { mode: "Observe" }, autoscaling: { maxNodes: 3 } }));
    await until("it is said", async () => (await said("Accepted")).startsWith("True AcceptedWithNotes: "));
    expect(await said("Accepted")).toMatch(/spec\.tuning: has no effect.*spec\.autoscaling: has no effect/);
    await until("there is an event", async () => {
      const events = await inNamespace("get", "events", "--field-selector=reason=AcceptedWithNotes", "-o", "name");
      return events.trim() !== "";
    });
    await apply(cluster, edge());
  });

  test("two QuicProxies with default settings run on the same nodes", async () => {
    const backends = { static: [{ address: host, port: ports[0] }] };
    await apply(cluster, quicProxy("second", { listeners: [{ port: 7_014 }], backends }));
    const second = (type: string): Promise<string> => condition(cluster, namespace, "second", type);
    await until("both nodes forward", async () => (await second("Ready")).startsWith("True Ready: 2 nodes"));
    await until("it is said which port it has not", async () =>
      /^True LessThanAsked: .*TCP .*9464/.test(await second("Degraded")),
    );
    expect(await said("Degraded")).toMatch(/^False/);
    await inNamespace("delete", "qp", "second", "--timeout=60s");
  });

  test("K11, K12: pods that nobody lets be made are explained, and hold no port", async () => {
    const refused = (type: string): Promise<string> => condition(cluster, fenced, "refused", type);
    await until("the refusal is told", async () =>
      /^False PodsRefused: .*DaemonSet quicproxy-refused cannot make a pod: .*PodSecurity.*kubectl label namespace/.test(
        await refused("Ready"),
      ),
    );
    await apply(cluster, quicProxy("younger", { listeners: [{ port: 7_012 }], backends: { static: [] } }));
    await until(
      "the younger has the port",
      async () => (await condition(cluster, namespace, "younger", "Accepted")).startsWith("True"),
      180_000,
    );
    await inNamespace("delete", "qp", "younger", "--timeout=60s");
  });
});
