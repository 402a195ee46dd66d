import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, type ClusterNode, kubectl, workerNodes } from "../cluster/cluster.ts";
import { findCluster } from "../cluster/provider.ts";
import { until } from "../until.ts";
import { Echo } from "./scene/echo.ts";
import { apply, condition, list } from "./scene/objects.ts";
import { clientsHostAddress, install, system, uninstall } from "./scene/product.ts";

/* What a user reads who has kubectl and not the code. */

const namespace = "e2e-words";
const listenPort = 7_021;
const answeredPort = 9_421;
const refusedPort = 9_422;
/** A node is named after 150 s, once its operator's watch has given a sign of life, and each report is a minute old. */
const NAMED_WITHIN_MS = 400_000;

let cluster: Cluster;
let nodes: ClusterNode[];
let host: string;
let echo: Echo;

const slice = (port: number): object => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { namespace, name: "echo-1", labels: { "kubernetes.io/service-name": "echo" } },
  addressType: "IPv4",
  ports: [{ name: "echo", port, protocol: "UDP" }],
  endpoints: [{ addresses: [host], conditions: { ready: true } }],
});

const said = (type: string): Promise<string> => condition(cluster, namespace, "edge", type);
const inNamespace = (...args: string[]): Promise<string> => kubectl(cluster, ["-n", namespace, ...args]);

/** A row of `kubectl get` by its columns; those that stand apart by two blanks or more. */
async function columns(...args: string[]): Promise<Record<string, string>[]> {
  const [head, ...rows] = (await inNamespace("get", ...args)).trimEnd().split("\n");
  const starts = [...head!.matchAll(/\S+(?: \S+)*/g)].map(({ index, 0: name }) => ({ index, name }));
  return rows.map((row) =>
    Object.fromEntries(starts.map(({ index, name }, at) => [name, row.slice(index, starts[at + 1]?.index).trim()])),
  );
}

beforeAll(async () => {
  cluster = await findCluster(console.log);
  nodes = await workerNodes(cluster);
  host = await clientsHostAddress(cluster);
  await install(cluster);
  echo = new Echo(cluster);
  await echo.answer(answeredPort, "answered");
  // The QuicProxy comes first, as it may where all is in one file.
  await apply(
    cluster,
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    {
      apiVersion: "quicproxy.io/v1alpha1",
      kind: "QuicProxy",
      metadata: { namespace, name: "edge" },
      spec: { listeners: [{ port: listenPort }], backends: { service: { name: "echo", portName: "echo" } } },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace, name: "echo" },
      spec: { ports: [{ name: "echo", port: 7, protocol: "UDP" }] },
    },
    slice(answeredPort),
  );
  await echo.ask(
    listenPort,
    nodes.map(({ v4 }) => v4!),
  );
}, 400_000);

afterAll(async () => {
  echo?.stop();
  await kubectl(cluster, ["delete", "namespace", namespace, "--ignore-not-found", "--timeout=180s"]);
  await uninstall(cluster).catch(() => undefined);
  await kubectl(cluster, ["delete", "namespace", system, "--ignore-not-found", "--timeout=180s"]);
}, 400_000);

test("a normal creation emits no warning", async () => {
  await until("it is ready", async () => (await said("Ready")).startsWith("True Ready: 2 nodes forward to 1 backend"));
  const events = (await list(cluster, "events", ["-n", namespace])) as unknown as {
    involvedObject: { kind: string };
    type: string;
    reason: string;
  }[];
  const about = events.filter(({ involvedObject }) => involvedObject.kind === "QuicProxy");
  expect(about.map(({ reason }) => reason)).toContain("Ready");
  expect(about.filter(({ type }) => type === "Warning")).toEqual([]);
}, 200_000);

test("kubectl get shows in words what runs", async () => {
  const [row] = await columns("quicproxies");
  expect(row).toMatchObject({ NAME: "edge", ACCEPTED: "True", READY: "True", NODES: "2/2", BACKENDS: "1/1" });
  const rows = await columns("quicproxynodes");
  expect(rows).toHaveLength(2);
  for (const { READY, REPORTED } of rows)
    expect([READY, REPORTED]).toEqual(["True", expect.stringMatching(/^\d+[sm]/)]);
  expect(JSON.stringify(rows)).not.toMatch(/\d{13}/);
});

test("a QuicProxy whose backends all refuse is not ready, and says how many are well", async () => {
  await apply(cluster, slice(refusedPort));
  await until("it is said", async () => (await said("Ready")).startsWith("False BackendsDown: 0 of 2 nodes ready"));
  expect(await said("Ready")).toMatch(/the one backend is down, .*\(Refused\): \d+ ICMP refusals/);
  await until("the column has it", async () => (await columns("quicproxies"))[0]!.BACKENDS === "0/1");
  await apply(cluster, slice(answeredPort));
  await until("it is ready again", async () => (await said("Ready")).startsWith("True"));
}, 300_000);

test("K14: a proxy whose ServiceAccount was deleted is named with the remedy, or replaced", async () => {
  const pods = async (): Promise<string[]> => {
    const found = await list(cluster, "pods", ["-n", namespace, "-l", "quicproxy.io/proxy=edge"]);
    return found.map(({ metadata }) => metadata.uid).sort();
  };
  const before = await pods();
  await inNamespace("delete", "serviceaccount", "quicproxy-edge");
  const isReplaced = async (): Promise<boolean> => (await pods()).every((uid) => !before.includes(uid));
  const named = /node-\d: has not reported for more than 150 s .*ServiceAccount quicproxy-edge is newer than pod/;
  await until(
    "it is named or replaced",
    async () => named.test(await said("Ready")) || (await isReplaced()),
    NAMED_WITHIN_MS,
  );
  if (!(await isReplaced())) {
    expect((await columns("quicproxynodes")).map(({ READY }) => READY)).toContain("Unknown");
    await inNamespace("delete", "pods", "-l", "quicproxy.io/proxy=edge");
  }
  await until("all report", async () => (await said("Ready")).startsWith("True"), NAMED_WITHIN_MS);
}, 900_000);
