import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { BackendsIndex } from "../../../crds/backends_schema.ts";
import { ApiClient } from "../../../kube/client.ts";
import { RESOURCES } from "../../../kube/resources.ts";
import type { Operator } from "../../../operator/operator.ts";
import { until } from "../../until.ts";
import { type ApiServer, startApiServer } from "./api_server.ts";
import { Admin, NAMESPACE, type NodeObject, OPERATOR_ACCOUNT, OPERATOR_RULES } from "./fixtures.ts";
import { startOperator } from "./running_operator.ts";

const TIMES = { watchSeconds: 20, backoffBaseMs: 50, backoffMaxMs: 500 };
const STATIC = { listeners: [{ port: 443 }], backends: { static: [{ address: "10.0.0.7", port: 4433 }] } };
const SERVICE = { listeners: [{ port: 443 }], backends: { service: { name: "server", port: 443 } } };

let api: ApiServer;
let admin: Admin;
let operator: Operator;

const start = (): Operator => startOperator(api.sendAs(OPERATOR_ACCOUNT), { times: TIMES });

const backendsOf = (): Promise<string[]> => admin.backends("edge");

const indexOf = async () => {
  const object = await admin.client.get(RESOURCES.quicProxyBackends, { namespace: NAMESPACE, name: "edge" });
  return (object as unknown as { spec: { index: BackendsIndex } }).spec.index;
};

/** One with a finalizer goes only while an operator is there. */
const removeEdge = async (): Promise<void> => {
  const place = { namespace: NAMESPACE, name: "edge" };
  await admin.client.delete(RESOURCES.quicProxies, place);
  await until("it is gone", async () => (await admin.client.get(RESOURCES.quicProxies, place)) === undefined);
};

const writes = async (): Promise<number> => {
  const text = await operator.metrics.registry.getSingleMetricAsString("rest_client_requests_total");
  const counts = [...text.matchAll(/method="(?:PATCH|POST|PUT|DELETE)".*\} (\d+)/g)].map(([, count]) => Number(count));
  return counts.reduce((sum, count) => sum + count, 0);
};

beforeAll(async () => {
  api = await startApiServer();
  admin = new Admin(new ApiClient(api.send));
  await admin.installCrds();
  await admin.namespace(NAMESPACE);
  await admin.grant(OPERATOR_ACCOUNT, OPERATOR_RULES);
  await admin.node("node-1", { edge: "" });
  await admin.node("node-2", { edge: "" });
  await admin.service("server", 443);
  await admin.slice("server", [{ address: "10.1.0.1" }, { address: "10.1.0.2" }]);
});

afterAll(() => api?.stop());

beforeEach(() => {
  operator = start();
});

/** No controller collects garbage here. */
afterEach(async () => {
  await operator.stop();
  const { quicProxies, quicProxyNodes, quicProxyBackends, quicProxyKeys, daemonSets, controllerRevisions } = RESOURCES;
  const { roles, roleBindings, serviceAccounts } = RESOURCES;
  const made = [
    quicProxies,
    quicProxyNodes,
    quicProxyBackends,
    quicProxyKeys,
    daemonSets,
    controllerRevisions,
    roles,
    roleBindings,
    serviceAccounts,
  ];
  for (const resource of made) {
    const { items } = await admin.client.list({ resource, namespace: NAMESPACE });
    for (const { metadata } of items)
      await admin.client.delete(resource, { namespace: NAMESPACE, name: metadata.name });
  }
});

describe("an operator on a real API server", () => {
  it("makes everything for a QuicProxy, says so, and then writes nothing more", async () => {
    await admin.proxy("edge", SERVICE);
    await until("it is programmed", async () => (await admin.condition("edge", "Accepted")).startsWith("True"));
    expect((await admin.nodeObjects()).map(({ metadata }) => metadata.name)).toEqual(["edge.node-1", "edge.node-2"]);
    expect(await backendsOf()).toEqual(["10.1.0.1 1", "10.1.0.2 1"]);
    expect(
      await admin.client.get(RESOURCES.daemonSets, { namespace: NAMESPACE, name: "quicproxy-edge" }),
    ).toBeDefined();
    const { items } = await admin.client.list({ resource: RESOURCES.events, namespace: NAMESPACE });
    expect(items.map((event) => (event as { reason?: string }).reason)).toContain("Created");
    let before = -1;
    await until("it has written all", async () => {
      const last = before;
      before = await writes();
      await new Promise((resolve) => setTimeout(resolve, 500));
      return last === before;
    });
    await admin.node("node-1", { edge: "", other: "label" });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(await writes()).toBe(before);
  });

  it("K14: names a node that reports no more, until it does", async () => {
    await operator.stop();
    let laterMs = 0;
    operator = startOperator(api.sendAs(OPERATOR_ACCOUNT), {
      times: TIMES,
      steadyMs: () => performance.now() + laterMs,
    });
    await admin.proxy("edge", STATIC);
    await until("node objects", async () => (await admin.nodeObjects()).length === 2);
    const resource = RESOURCES.quicProxyNodes;
    const report = (node: string, reportedAt: string) => {
      const metadata = { namespace: NAMESPACE, name: `edge.${node}` };
      const status = { ready: true, readiness: "True", reason: "", message: "", workers: 2, reportedAt };
      const object = { apiVersion: "quicproxy.io/v1alpha1", kind: "QuicProxyNode", metadata, status };
      return admin.client.apply(object, { resource, fieldManager: "quicproxy-node", subresource: "status" });
    };
    const readiness = async (): Promise<unknown[]> => {
      const objects = (await admin.nodeObjects()) as unknown as { status?: { readiness?: string } }[];
      return objects.map(({ status }) => status?.readiness);
    };
    await report("node-1", "2026-01-01T00:00:00Z");
    await report("node-2", "2026-01-01T00:00:00Z");
    await new Promise((resolve) => setTimeout(resolve, 1000));
    laterMs = 200_000;
    await report("node-2", "2026-01-01T00:01:00Z");
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await admin.node("node-1", { edge: "", looked: "at" });
    await until("one is silent", async () => (await readiness())[0] === "Unknown");
    expect(await readiness()).toEqual(["Unknown", "True"]);
    const [silent] = (await admin.nodeObjects()) as unknown as { status: { message: string; workers: number } }[];
    expect(silent!.status.message).toMatch(
      /^has not reported for more than 150 s \(last at 2026-01-01T00:00:00Z by its own clock\): /,
    );
    expect(silent!.status.workers).toBe(2);
    await report("node-1", "2026-01-01T00:00:30Z");
    const [back] = (await admin.nodeObjects()) as unknown as { status: object }[];
    expect(back!.status).toMatchObject({ readiness: "True", reason: "", message: "" });
    await admin.node("node-1", { edge: "" });
  });

  it("follows endpoints, with the generation growing and the key staying", async () => {
    await admin.proxy("edge", SERVICE);
    await until("backends", async () => (await backendsOf()).length === 2);
    const before = await indexOf();
    const [node] = await admin.nodeObjects();
    await admin.slice("server", [{ address: "10.1.0.1", terminating: true }, { address: "10.1.0.3" }]);
    await until("new backends", async () => (await backendsOf()).join() === "10.1.0.1 0,10.1.0.3 1");
    expect((await indexOf()).generation).toBeGreaterThan(before.generation);
    expect((await indexOf()).removals).toBe("Observed");
    expect((await admin.nodeObjects())[0]).toEqual(node);
    await admin.slice("server", [{ address: "10.1.0.1" }, { address: "10.1.0.2" }]);
  });

  it("puts back what somebody deletes or changes, with a generation that no node refuses", async () => {
    await admin.proxy("edge", STATIC);
    await until("two nodes", async () => (await admin.nodeObjects()).length === 2);
    const [before] = await admin.nodeObjects();
    await admin.client.delete(RESOURCES.quicProxyNodes, { namespace: NAMESPACE, name: "edge.node-1" });
    await admin.client.delete(RESOURCES.daemonSets, { namespace: NAMESPACE, name: "quicproxy-edge" });
    const place = { namespace: NAMESPACE, name: "quicproxy-edge" };
    await until("both are back", async () => {
      const [first] = await admin.nodeObjects();
      const daemonSet = await admin.client.get(RESOURCES.daemonSets, place);
      return first!.metadata.uid !== before!.metadata.uid && daemonSet !== undefined;
    });
    const [after] = await admin.nodeObjects();
    expect(after!.spec.generation).toBeGreaterThanOrEqual(before!.spec.generation);
    expect(after!.spec.hashKey).toBe(before!.spec.hashKey);
    const template = { spec: { template: { spec: { hostNetwork: false } } } };
    await admin.client.mergePatch(RESOURCES.daemonSets, place, template);
    await until("the DaemonSet is as planned", async () => {
      const daemonSet = (await admin.client.get(RESOURCES.daemonSets, place)) as unknown as typeof template;
      return daemonSet.spec.template.spec.hostNetwork === true;
    });
  });

  it("gives a port to the older of two, and to the younger when the older goes", async () => {
    await admin.proxy("edge", STATIC);
    await until("the first", async () => (await admin.condition("edge", "Accepted")).startsWith("True"));
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await admin.proxy("late", STATIC);
    await until("a conflict", async () => (await admin.condition("late", "Accepted")).startsWith("False PortConflict"));
    expect(await admin.condition("edge", "Accepted")).toMatch(/^True/);
    await admin.client.delete(RESOURCES.quicProxies, { namespace: NAMESPACE, name: "edge" });
    await until("no conflict", async () => (await admin.condition("late", "Accepted")).startsWith("True"));
  });

  it("says that a Service is missing, keeps what runs, and goes on when it comes", async () => {
    const spec = (name: string) => ({ listeners: [{ port: 443 }], backends: { service: { name, port: 443 } } });
    await admin.proxy("edge", spec("server"));
    await until("backends", async () => (await backendsOf()).length === 2);
    await admin.proxy("edge", spec("later"));
    await until("a refusal", async () =>
      (await admin.condition("edge", "Accepted")).startsWith("False ServiceNotFound"),
    );
    expect(await backendsOf()).toHaveLength(2);
    await admin.service("later", 443);
    await until("acceptance", async () => (await admin.condition("edge", "Accepted")).startsWith("True"));
    expect(await admin.condition("edge", "Ready")).toContain("False NoBackends: Service later has no ready endpoint");
    await admin.client.delete(RESOURCES.services, { namespace: NAMESPACE, name: "later" });
  });

  it("keeps following the endpoints of what it accepted last, also when it is started anew", async () => {
    await admin.proxy("edge", SERVICE);
    await until("backends", async () => (await backendsOf()).length === 2);
    await admin.proxy("edge", {
      ...SERVICE,
      listeners: [{ port: 443 }],
      backends: { service: { name: "none", port: 1 } },
    });
    await until("a refusal", async () => /^False .*last accepted/.test(await admin.condition("edge", "Accepted")));
    await admin.slice("server", [{ address: "10.1.0.3" }]);
    await until("its new endpoint", async () => (await backendsOf()).join() === "10.1.0.3 1");
    await operator.stop();
    operator = start();
    await admin.slice("server", [{ address: "10.1.0.4" }]);
    await until("the one after that", async () => (await backendsOf()).join() === "10.1.0.4 1");
    await admin.proxy("edge", { ...SERVICE, listeners: [{ port: 8443 }] });
    await until("acceptance", async () => (await admin.condition("edge", "Accepted")).startsWith("True"));
    const { items } = await admin.client.list({ resource: RESOURCES.controllerRevisions, namespace: NAMESPACE });
    expect(items.map((item) => (item as unknown as { revision: number }).revision)).toEqual([2]);
    await admin.slice("server", [{ address: "10.1.0.1" }, { address: "10.1.0.2" }]);
  });

  it("takes the backends away when their Service goes, and brings them back with it", async () => {
    await admin.proxy("edge", SERVICE);
    await until("backends", async () => (await backendsOf()).length === 2);
    await admin.client.delete(RESOURCES.services, { namespace: NAMESPACE, name: "server" });
    await until("none", async () => (await backendsOf()).length === 0);
    expect(await admin.condition("edge", "Accepted")).toMatch(/^True/);
    await admin.service("server", 443);
    await until("all again", async () => (await backendsOf()).length === 2);
  });

  it("leaves out an endpoint that no proxy may send to, names it, and uses the others", async () => {
    await admin.proxy("edge", SERVICE);
    await admin.slice("server", [{ address: "10.1.0.1" }, { address: "100.100.100.200" }]);
    await until("it is named", async () =>
      /^True EndpointsLeftOut: 100\.100\.100\.200 of Service media\/server is left out: .*metadata/.test(
        await admin.condition("edge", "Degraded"),
      ),
    );
    expect(await backendsOf()).toEqual(["10.1.0.1 1"]);
    await admin.slice("server", [{ address: "10.1.0.1" }, { address: "10.1.0.2" }]);
  });

  it("keeps off as many nodes as kubectl scale leaves over, and takes the labels off when the QuicProxy goes", async () => {
    const label = "edge.media.quicproxy.io/node";
    const labelled = async (): Promise<string[]> => {
      const { items } = await admin.client.list({ resource: RESOURCES.nodes });
      return items.filter(({ metadata }) => metadata.labels?.[label] === "false").map(({ metadata }) => metadata.name);
    };
    await admin.proxy("edge", { ...STATIC, scaling: { nodes: 1 } });
    await until("one node", async () => (await labelled()).length === 1 && (await admin.nodeObjects()).length === 1);
    const place = { namespace: NAMESPACE, name: "edge", subresource: "scale" as never };
    await admin.client.mergePatch(RESOURCES.quicProxies, place, { spec: { replicas: 2 } });
    await until("two nodes", async () => (await labelled()).length === 0 && (await admin.nodeObjects()).length === 2);
    await admin.client.mergePatch(RESOURCES.quicProxies, place, { spec: { replicas: 0 } });
    await until("no node", async () => (await labelled()).length === 2 && (await admin.nodeObjects()).length === 0);
    await removeEdge();
    expect(await labelled()).toEqual([]);
  });

  it("keeps the hash key without a node to hold it, and lets nobody change it", async () => {
    const hashKeys = async () => (await admin.nodeObjects()).map(({ spec }) => spec.hashKey);
    await admin.proxy("edge", { ...STATIC, scaling: { nodes: 1 } });
    await until("one node", async () => (await admin.nodeObjects()).length === 1);
    const [before] = await hashKeys();
    await admin.proxy("edge", { ...STATIC, scaling: { nodes: 0 } });
    await until("no node", async () => (await admin.nodeObjects()).length === 0);
    await admin.proxy("edge", { ...STATIC, scaling: { nodes: 2 } });
    await until("two nodes", async () => (await admin.nodeObjects()).length === 2);
    expect(await hashKeys()).toEqual([before, before]);
    const change = { spec: { hashKey: "f".repeat(32) } };
    await expect(
      admin.client.mergePatch(RESOURCES.quicProxyKeys, { namespace: NAMESPACE, name: "edge" }, change),
    ).rejects.toThrow("a key never changes");
    await removeEdge();
  });

  it("has one hash key, also where two operators make the first plan at the same time", async () => {
    const other = start();
    await until("both are ready", async () => operator.notReady() === undefined && other.notReady() === undefined);
    for (const [index, name] of ["edge", "b", "c", "d"].entries()) {
      await admin.proxy(name, { ...STATIC, listeners: [{ port: 1000 + index }], metrics: { port: 2000 + index } });
    }
    await until("all nodes", async () => (await admin.nodeObjects()).length === 8);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await other.stop();
    const { items } = await admin.client.list({ resource: RESOURCES.quicProxyKeys, namespace: NAMESPACE });
    const keys = new Map(items.map((item) => [item.metadata.name, (item as unknown as NodeObject).spec.hashKey]));
    expect([...new Set(keys.values())]).toHaveLength(4);
    for (const { metadata, spec } of await admin.nodeObjects())
      expect(spec.hashKey).toBe(keys.get(metadata.name.split(".")[0]!));
  });

  it("is scaled by whoever only writes, before there is a number; who reads first is refused", async () => {
    const scale = { namespace: NAMESPACE, name: "edge", subresource: "scale" as never };
    await admin.proxy("edge", STATIC);
    await until("two nodes", async () => (await admin.nodeObjects()).length === 2);
    await expect(admin.client.get(RESOURCES.quicProxies, scale)).rejects.toThrow("does not exist");
    await admin.client.mergePatch(RESOURCES.quicProxies, scale, { spec: { replicas: 1 } });
    await until("one node", async () => (await admin.nodeObjects()).length === 1);
    expect(await admin.client.get(RESOURCES.quicProxies, scale)).toMatchObject({ spec: { replicas: 1 } });
    await removeEdge();
  });

  it("is spared what the CRD refuses: names with dots, tolerations that no pod may have", async () => {
    await expect(admin.proxy("a.b", STATIC)).rejects.toThrow(/metadata\.name: up to 63 of .* no dot/);
    const tolerating = (toleration: object) => admin.proxy("edge", { ...STATIC, nodes: { tolerations: [toleration] } });
    await expect(tolerating({ effect: "NoSchedule" })).rejects.toThrow("a toleration without key has operator Exists");
    await expect(tolerating({ key: "a", operator: "Exists", value: "b" })).rejects.toThrow("has no value");
    await tolerating({ operator: "Exists", effect: "NoSchedule" });
    await tolerating({ key: "a", value: "b" });
  });

  it("goes on after an outage of the API server, with nothing cleared", async () => {
    await admin.proxy("edge", SERVICE);
    await until("two nodes", async () => (await admin.nodeObjects()).length === 2);
    const before = await admin.nodeObjects();
    await api.pause();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect(operator.notReady()).toContain("quicproxies: ");
    await api.start();
    await admin.slice("server", [{ address: "10.1.0.1" }, { address: "10.1.0.2" }, { address: "10.1.0.9" }]);
    await until("a new backend", async () => (await backendsOf()).length === 3);
    expect((await admin.nodeObjects()).map(({ metadata }) => metadata.uid)).toEqual(
      before.map(({ metadata }) => metadata.uid),
    );
    await until("all caches are connected", async () => operator.notReady() === undefined);
    await admin.slice("server", [{ address: "10.1.0.1" }, { address: "10.1.0.2" }]);
  });

  it("says that the CRDs are gone, and goes on when they are back", async () => {
    await until("it is ready", async () => operator.notReady() === undefined);
    await admin.removeCrds();
    await until("it says so", async () => /quicproxies: .*404/.test(operator.notReady() ?? ""));
    await admin.installCrds();
    await until("it is ready again", async () => operator.notReady() === undefined);
    await admin.proxy("edge", STATIC);
    await until("it works", async () => (await admin.nodeObjects()).length === 2);
  });
});
