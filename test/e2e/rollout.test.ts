import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, type ClusterNode, kubectl, workerNodes } from "../cluster/cluster.ts";
import { classSpec } from "../cluster/product.ts";
import { findCluster } from "../cluster/provider.ts";
import { until } from "../until.ts";
import { Echo } from "./scene/echo.ts";
import { apply, condition, list } from "./scene/objects.ts";
import { clientsHostAddress, install, system, uninstall } from "./scene/product.ts";

/*
 * The operator replaces proxies on two real nodes, while somebody asks through both of them all the time: new flows, one
 * every 25 ms to each node.
 */

const namespace = "e2e-rollout";
const listenPort = 7_021;
const serverPort = 9_421;

let cluster: Cluster;
let nodes: ClusterNode[];
let echo: Echo;
let host: string;

/** Allows more memory than any node has. */
const roomy = {
  apiVersion: "quicproxy.io/v1alpha1",
  kind: "QuicProxyClass",
  metadata: { name: "e2e-roomy" },
  spec: { ...classSpec, max: { flowMemory: "64Gi", memory: "128Gi" } },
};

const edge = (changes: object = {}): object => ({
  apiVersion: "quicproxy.io/v1alpha1",
  kind: "QuicProxy",
  metadata: { namespace, name: "edge" },
  spec: {
    className: roomy.metadata.name,
    listeners: [{ port: listenPort }],
    backends: { static: [{ address: host, port: serverPort }] },
    ...changes,
  },
});

const said = (type: string): Promise<string> => condition(cluster, namespace, "edge", type);
const inNamespace = (...args: string[]): Promise<string> => kubectl(cluster, ["-n", namespace, ...args]);

/** UID of the pod of each node that stays, by the name of the node. */
async function uids(): Promise<Record<string, string>> {
  const found = await list(cluster, "pods", ["-n", namespace, "-l", "quicproxy.io/proxy=edge"]);
  const staying = found.filter(
    ({ metadata, spec }) => !("deletionTimestamp" in metadata) && spec.nodeName !== undefined,
  );
  return Object.fromEntries(staying.map(({ metadata, spec }) => [String(spec.nodeName), metadata.uid]));
}

const changed = (before: Record<string, string>, after: Record<string, string>): string[] =>
  nodes.map(({ name }) => name).filter((name) => after[name] !== undefined && after[name] !== before[name]);

const done = async (): Promise<boolean> =>
  (await said("Programmed")) === "True Programmed: 2 nodes run the present spec";

/** Lets the last answers come in, and says what was lost since. */
async function lossesSince(since: number): Promise<ReturnType<Echo["losses"]>> {
  await sleep(10_000);
  const losses = echo.losses(since);
  console.log(
    `${losses.lost} of ${losses.asked} datagrams without an answer, ${losses.dark.length} rounds without any`,
  );
  return losses;
}

const bothNew = (before: Record<string, string>): Promise<unknown> =>
  until("both are new", async () => changed(before, await uids()).length === 2 && (await done()), 240_000);

beforeAll(async () => {
  cluster = await findCluster(console.log);
  nodes = await workerNodes(cluster);
  host = await clientsHostAddress(cluster);
  await install(cluster);
  echo = new Echo(cluster);
  await echo.answer(serverPort, "server");
  await apply(cluster, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }, roomy, edge());
  await until("both nodes run it", done, 240_000);
  await echo.survey(
    listenPort,
    nodes.map(({ v4 }) => v4!),
  );
}, 500_000);

afterAll(async () => {
  echo?.stop();
  await kubectl(cluster, ["delete", "namespace", namespace, "--ignore-not-found", "--timeout=180s"]);
  await kubectl(cluster, ["delete", "quicproxyclass", roomy.metadata.name, "--ignore-not-found"]);
  await uninstall(cluster).catch(() => undefined);
  await kubectl(cluster, ["delete", "namespace", system, "--ignore-not-found", "--timeout=180s"]);
}, 500_000);

afterEach(async () => {
  await until("both nodes are as they should be", done, 240_000);
}, 250_000);

describe("a rollout", () => {
  test("of a setting that needs a restart takes one node after the other, and never both", async () => {
    const [before, since] = [await uids(), echo.asked.length];
    await apply(cluster, edge({ dataPlane: { batch: 32 } }));
    await until("it is said how far it is", async () =>
      /^False RollingOut: rolling out: /.test(await said("Programmed")),
    );
    await bothNew(before);
    expect((await lossesSince(since)).dark).toEqual([]);
    const events = await inNamespace("get", "events", "-o", "jsonpath={.items[*].reason}");
    expect(events).toContain("RolledOut");
    expect(events.match(/PodReplaced/g)).toHaveLength(2);
  });

  test("drains first where it is asked to: not ready, and everything is forwarded", async () => {
    const before = await uids();
    await apply(cluster, edge({ dataPlane: { batch: 64 }, rollout: { drain: "20s" } }));
    const object = `edge.${nodes[0]!.name}`;
    const reason = () => inNamespace("get", "quicproxynode", object, "-o", "jsonpath={.status.reason}");
    await until("the node says so", async () => (await reason()) === "Draining");
    const since = echo.asked.length;
    // What is told now was asked before it was drained.
    await sleep(14_000);
    const { lost, asked } = echo.losses(since);
    expect([lost, asked > 0]).toEqual([0, true]);
    await bothNew(before);
    expect((await lossesSince(since)).dark).toEqual([]);
    await apply(cluster, edge());
  });

  test("of a change that fits no node halts after the first; the other serves, and a change back is enough", async () => {
    const [before, since] = [await uids(), echo.asked.length];
    await apply(cluster, edge({ dataPlane: { flowMemory: "64Gi" } }));
    await until("it is said which and why", async () =>
      /^False RolloutHalted: rollout halted, 0 of 2 nodes done; node-\d: pod quicproxy-edge-\w+: Unschedulable: .*[Mm]emory/.test(
        await said("Programmed"),
      ),
    );
    expect(await said("Ready")).toMatch(/^False PodNotRunning: 1 of 2 nodes ready/);
    await sleep(10_000);
    const [left] = Object.entries(await uids());
    expect([left?.[1], Object.keys(await uids())]).toEqual([before[left![0]], [left![0]]]);
    await apply(cluster, edge());
    await until("it goes on", done, 240_000);
    expect(changed(before, await uids())).toHaveLength(1);
    expect((await lossesSince(since)).dark).toEqual([]);
  });

  test("passes over a node whose kubelet tells nothing, and comes to it when it does again", async () => {
    const before = await uids();
    const [dead, live] = [nodes[0]!.name, nodes[1]!.name];
    await cluster.pauseKubelet(dead, true);
    try {
      await kubectl(cluster, ["wait", `node/${dead}`, "--for=condition=Ready=Unknown", "--timeout=180s"]);
      await apply(cluster, edge({ dataPlane: { batch: 32 } }));
      await until("the other is new", async () => changed(before, await uids()).join() === live, 120_000);
    } finally {
      await cluster.pauseKubelet(dead, false);
    }
    await bothNew(before);
  });

  test("K14: proxies whose ServiceAccount was deleted and made again report again", async () => {
    const [before, since] = [await uids(), echo.asked.length];
    await inNamespace("delete", "serviceaccount", "quicproxy-edge");
    await bothNew(before);
    expect((await lossesSince(since)).dark).toEqual([]);
    const notes = await inNamespace(
      "get",
      "events",
      "--field-selector=reason=PodReplaced",
      "-o",
      "jsonpath={.items[*].message}",
    );
    expect(notes).toContain("is older than its ServiceAccount");
  });

  test("is asked for by kubectl rollout restart", async () => {
    const before = await uids();
    await inNamespace("rollout", "restart", "daemonset/quicproxy-edge");
    await bothNew(before);
  });
});
