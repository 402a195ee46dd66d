import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ApiClient } from "../../../kube/client.ts";
import { RESOURCES } from "../../../kube/resources.ts";
import type { Operator } from "../../../operator/operator.ts";
import { until } from "../../until.ts";
import { type ApiServer, startApiServer } from "./api_server.ts";
import { Admin, NAMESPACE, OPERATOR_ACCOUNT, OPERATOR_RULES } from "./fixtures.ts";
import { ClusterHands } from "./hands.ts";
import { POD_OPTIONS, startOperator } from "./running_operator.ts";

/* Rollouts against a real API server; the test is the DaemonSet controller, the kubelets and the proxies. */

const TIMES = { watchSeconds: 20, backoffBaseMs: 50, backoffMaxMs: 500 };
const SPEC = { listeners: [{ port: 443 }], backends: { static: [{ address: "10.0.0.7", port: 4433 }] } };
const NODES = ["node-1", "node-2", "node-3"];
const DAEMON_SET = { namespace: NAMESPACE, name: "quicproxy-edge" };

let api: ApiServer;
let admin: Admin;
let operator: Operator;
let hands: ClusterHands;

const start = (image = "quicproxy:1"): Operator =>
  startOperator(api.sendAs(OPERATOR_ACCOUNT), { times: TIMES, pods: { ...POD_OPTIONS, image } });

/** As the operator of another image does it. */
async function upgrade(image: string): Promise<void> {
  await operator.stop();
  operator = start(image);
}

const programmed = (): Promise<string> => admin.condition("edge", "Programmed");
const done = (): Promise<unknown> =>
  until("all is done", async () => (await programmed()) === "True Programmed: 3 nodes run the present spec");

async function images(): Promise<string[]> {
  const found = (await hands.pods()).map(
    ({ spec }) => (spec as unknown as { containers: [{ image: string }] }).containers[0].image,
  );
  return found.sort();
}

async function reasons(): Promise<string[]> {
  const { items } = await admin.client.list({ resource: RESOURCES.events, namespace: NAMESPACE });
  return items.map((event) => (event as { reason?: string }).reason ?? "");
}

async function alive(name: string, ready: boolean): Promise<void> {
  const status = { conditions: [{ type: "Ready", status: ready ? "True" : "Unknown" }] };
  await admin.status(RESOURCES.nodes, { apiVersion: "v1", kind: "Node", metadata: { name }, status });
}

beforeAll(async () => {
  api = await startApiServer();
  admin = new Admin(new ApiClient(api.send));
  await admin.installCrds();
  await admin.namespace(NAMESPACE);
  await admin.grant(OPERATOR_ACCOUNT, OPERATOR_RULES);
});

afterAll(() => api?.stop());

beforeEach(async () => {
  for (const name of NODES) {
    await admin.node(name, {});
    await alive(name, true);
  }
  hands = new ClusterHands(admin, api.send);
  hands.start();
  operator = start();
  await admin.proxy("edge", SPEC);
  await until("all pods run", async () => (await images()).join() === "quicproxy:1,quicproxy:1,quicproxy:1");
  await done();
  hands.awayMax = 0;
});

/** No controller collects garbage here. */
afterEach(async () => {
  await operator.stop();
  const { quicProxies, quicProxyNodes, daemonSets, controllerRevisions, serviceAccounts, events } = RESOURCES;
  for (const resource of [quicProxies, quicProxyNodes, daemonSets, controllerRevisions, serviceAccounts, events]) {
    const { items } = await admin.client.list({ resource, namespace: NAMESPACE });
    for (const { metadata } of items)
      await admin.client.delete(resource, { namespace: NAMESPACE, name: metadata.name });
  }
  await hands.stop();
});

describe("a rollout on a real API server", () => {
  it("replaces every pod, one at a time, tells of it, and then writes nothing more", async () => {
    await upgrade("quicproxy:2");
    await until("all pods are new", async () => (await images()).join() === "quicproxy:2,quicproxy:2,quicproxy:2");
    await done();
    expect(hands.awayMax).toBe(1);
    const told = await reasons();
    expect(told.filter((reason) => reason === "PodReplaced")).toHaveLength(3);
    expect(told).toContain("RollingOut");
    await until("its end is told", async () => (await reasons()).includes("RolledOut"));
    const text = await operator.metrics.registry.metrics();
    expect(text).toContain("quicproxy_operator_pods_replaced_total 3");
    expect(text).not.toContain("quicproxy_operator_rollout_halted{");
    const uids = await hands.uids();
    await sleep(1500);
    expect(await hands.uids()).toEqual(uids);
  });

  it("halts after the first pod that does not run, says which and why, and a change back is enough", async () => {
    hands.isBroken = (image) => image === "quicproxy:bad";
    const before = await hands.uids();
    await upgrade("quicproxy:bad");
    await until(
      "it is said",
      async () =>
        /^False RolloutHalted: .*node-1: pod quicproxy-edge-node-1-\w+: ImagePullBackOff/.test(await programmed()),
      30_000,
    );
    expect(await operator.metrics.registry.metrics()).toContain(
      'quicproxy_operator_rollout_halted{namespace="media",name="edge"} 1',
    );
    const { "node-1": broken, ...others } = await hands.uids();
    expect(broken).not.toBe(before["node-1"]);
    expect(others).toEqual({ "node-2": before["node-2"], "node-3": before["node-3"] });
    expect(await reasons()).toContain("RolloutHalted");
    await upgrade("quicproxy:1");
    await done();
    const { "node-1": __, ...after } = await hands.uids();
    expect(after).toEqual(others);
    expect(await images()).toEqual(["quicproxy:1", "quicproxy:1", "quicproxy:1"]);
  });

  it("passes over a dead node, whose pod is replaced when it is back", async () => {
    await alive("node-1", false);
    hands.dead.add("node-1");
    const before = await hands.uids();
    await upgrade("quicproxy:2");
    await until("the others are new", async () => (await images()).join() === "quicproxy:1,quicproxy:2,quicproxy:2");
    await sleep(1000);
    expect((await hands.uids())["node-1"]).toBe(before["node-1"]);
    hands.dead.delete("node-1");
    await alive("node-1", true);
    await until("it is new", async () => (await images()).join() === "quicproxy:2,quicproxy:2,quicproxy:2");
  });

  it("is gone on with by another operator that starts in the midst of it, with no further pod taken", async () => {
    hands.endsPods = false;
    await upgrade("quicproxy:2");
    const ending = async (): Promise<string[]> =>
      (await hands.pods())
        .filter(({ metadata }) => metadata.deletionTimestamp !== undefined)
        .map(({ spec }) => spec.nodeName);
    await until("a pod is to end", async () => (await ending()).length === 1);
    await upgrade("quicproxy:2");
    const other = start("quicproxy:2");
    await sleep(1500);
    expect(await ending()).toEqual(["node-1"]);
    hands.endsPods = true;
    await until("all pods are new", async () => (await images()).join() === "quicproxy:2,quicproxy:2,quicproxy:2");
    await done();
    await other.stop();
    expect(hands.awayMax).toBe(1);
  });

  it("takes over from RollingUpdate: pods without a mark are replaced once, one at a time", async () => {
    await operator.stop();
    const rolling = { updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } } };
    const annotations = { "quicproxy.io/template": null, "quicproxy.io/applied": "before" };
    await admin.client.mergePatch(RESOURCES.daemonSets, DAEMON_SET, {
      metadata: { annotations },
      spec: { ...rolling, template: { metadata: { annotations } } },
    });
    for (const { metadata } of await hands.pods())
      await admin.client.delete(RESOURCES.pods, { namespace: NAMESPACE, name: metadata.name });
    const unmarked = async (): Promise<number> =>
      (await hands.pods()).filter(({ metadata }) => metadata.annotations?.["quicproxy.io/template"] === undefined)
        .length;
    await until(
      "all are of the former chart",
      async () => (await unmarked()) === 3 && Object.keys(await hands.uids()).length === 3,
    );
    hands.awayMax = 0;
    const before = await reasons();
    operator = start();
    await until("all are marked", async () => (await unmarked()) === 0);
    await done();
    await sleep(1000);
    const replaced = (of: string[]): number => of.filter((reason) => reason === "PodReplaced").length;
    expect([replaced(await reasons()) - replaced(before), hands.awayMax]).toEqual([3, 1]);
    const daemonSet = (await admin.client.get(RESOURCES.daemonSets, DAEMON_SET)) as unknown as {
      spec: { updateStrategy: object };
    };
    expect(daemonSet.spec.updateStrategy).toMatchObject({ type: "OnDelete" });
  });

  it("K14: pods that are older than their ServiceAccount are replaced, once", async () => {
    const before = await hands.uids();
    await sleep(1100);
    await admin.client.delete(RESOURCES.serviceAccounts, DAEMON_SET);
    await until("all pods are new", async () => {
      const after = await hands.uids();
      return NODES.every((name) => after[name] !== undefined && after[name] !== before[name]);
    });
    await done();
    const { items } = await admin.client.list({ resource: RESOURCES.events, namespace: NAMESPACE });
    const notes = items.map(
      (event) => (event as { message?: string; note?: string }).note ?? (event as { message?: string }).message ?? "",
    );
    expect(notes.some((note) => note.includes("is older than its ServiceAccount"))).toBe(true);
    const uids = await hands.uids();
    await sleep(1500);
    expect([await hands.uids(), hands.awayMax]).toEqual([uids, 1]);
  });

  it("drains a proxy before, and tells nobody to after", async () => {
    await admin.proxy("edge", { ...SPEC, rollout: { drain: "1s" } });
    await upgrade("quicproxy:2");
    const drains = async () =>
      (await admin.nodeObjects())
        .filter(({ spec }) => (spec as { drain?: boolean }).drain === true)
        .map(({ metadata }) => metadata.name);
    await until("the first is drained", async () => (await drains()).join() === "edge.node-1");
    await until("all pods are new", async () => (await images()).join() === "quicproxy:2,quicproxy:2,quicproxy:2");
    await done();
    expect([await drains(), hands.awayMax]).toEqual([[], 1]);
  });

  it("is asked for by kubectl rollout restart, and held by spec.rollout.paused", async () => {
    await admin.proxy("edge", { ...SPEC, rollout: { paused: true } });
    const before = await hands.uids();
    const annotations = { "kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z" };
    await admin.client.mergePatch(RESOURCES.daemonSets, DAEMON_SET, {
      spec: { template: { metadata: { annotations } } },
    });
    await until("it is said", async () =>
      (await programmed()).startsWith(
        "False RolloutPaused: rollout paused by spec.rollout.paused, 0 of 3 nodes done, 3 wait",
      ),
    );
    expect(await hands.uids()).toEqual(before);
    await admin.proxy("edge", { ...SPEC, rollout: { maxUnavailable: "50%" } });
    await done();
    const after = await hands.uids();
    expect(NODES.filter((name) => after[name] === before[name])).toEqual([]);
    expect(hands.awayMax).toBe(2);
  });

  it("takes limits that DaemonSets take, and no others", async () => {
    const refused = (rollout: object) => expect(admin.proxy("edge", { ...SPEC, rollout })).rejects;
    await refused({ maxUnavailable: 0 }).toThrow(/maxUnavailable/);
    await refused({ maxUnavailable: "0%" }).toThrow(/maxUnavailable/);
    await refused({ maxUnavailable: "101%" }).toThrow(/maxUnavailable/);
    await refused({ maxUnavailable: 1.5 }).toThrow(/maxUnavailable/);
    await refused({ drain: "2h" }).toThrow(/drain/);
    for (const maxUnavailable of [1, 5000, "1%", "100%"])
      await admin.proxy("edge", { ...SPEC, rollout: { maxUnavailable } });
  });
});
