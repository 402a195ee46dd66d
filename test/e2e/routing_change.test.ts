import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, kubectl, workerNodes } from "../cluster/cluster.ts";
import { findCluster } from "../cluster/provider.ts";
import { until } from "../until.ts";
import { Echo } from "./scene/echo.ts";
import { apply, condition } from "./scene/objects.ts";
import { clientsHostAddress, install, residentMebibytes, system, uninstall } from "./scene/product.ts";

/*
 * How long a change of endpoints takes to arrive in the packet path, through API server, operator, API server and proxy:
 * measured with datagrams, each a new flow, through both nodes at once.
 */

const namespace = "e2e-change";
const changes = 20;
const ports = [9_401, 9_402] as const;
const listenPort = 7_001;
/** Default of spec.dataPlane.flowMemory. */
const flowMemoryMebibytes = 64;

let cluster: Cluster;
let addresses: string[];
let echo: Echo;

const slice = (host: string, port: number): object => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { namespace, name: "echo-1", labels: { "kubernetes.io/service-name": "echo" } },
  addressType: "IPv4",
  ports: [{ name: "echo", port, protocol: "UDP" }],
  endpoints: [{ addresses: [host], conditions: { ready: true } }],
});

beforeAll(async () => {
  cluster = await findCluster(console.log);
  addresses = (await workerNodes(cluster)).map(({ v4 }) => v4!);
  await install(cluster);
  echo = new Echo(cluster);
  await Promise.all(ports.map((port) => echo.answer(port, `server on ${port}`)));
  await echo.ask(listenPort, addresses);
}, 400_000);

afterAll(async () => {
  echo.stop();
  await kubectl(cluster, ["delete", "namespace", namespace, "--ignore-not-found", "--timeout=180s"]);
  await uninstall(cluster).catch(() => undefined);
  await kubectl(cluster, ["delete", "namespace", system, "--ignore-not-found", "--timeout=180s"]);
}, 400_000);

async function untilEverywhere(since: number, label: string): Promise<number[]> {
  await until(
    `${label} answers through every node`,
    async () => !echo.since(since, label, addresses).includes(undefined),
  );
  return echo.since(since, label, addresses).map((at) => at! - since);
}

test("the first datagram after kubectl apply", async () => {
  const host = await clientsHostAddress(cluster);
  const metadata = { namespace, name: "echo" };
  await apply(
    cluster,
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    { apiVersion: "v1", kind: "Service", metadata, spec: { ports: [{ name: "echo", port: 7, protocol: "UDP" }] } },
    slice(host, ports[0]),
  );
  const start = Date.now();
  await apply(cluster, {
    apiVersion: "quicproxy.io/v1alpha1",
    kind: "QuicProxy",
    metadata,
    spec: { listeners: [{ port: listenPort }], backends: { service: { name: "echo", portName: "echo" } } },
  });
  const took = await untilEverywhere(start, `server on ${ports[0]}`);
  console.log(`from kubectl apply to the first datagram that came back, by node: ${took.join(", ")} ms`);
  await until("it is ready", async () => (await condition(cluster, namespace, "echo", "Ready")).startsWith("True"));
});

test(`an EndpointSlice changes ${changes} times`, async () => {
  const host = await clientsHostAddress(cluster);
  const took: number[] = [];
  for (let change = 1; change <= changes; change++) {
    const port = ports[change % 2]!;
    const start = Date.now();
    await apply(cluster, slice(host, port));
    took.push(...(await untilEverywhere(start, `server on ${port}`)));
    await sleep(200);
  }
  const sorted = took.sort((a, b) => a - b);
  const median = sorted[sorted.length >> 1];
  console.log(
    `EndpointSlice to routing, from before kubectl: min ${sorted[0]}, median ${median}, max ${sorted.at(-1)} ms`,
  );
  expect(took).toHaveLength(changes * addresses.length);
});

test("idle operators and proxies are small", async () => {
  const sizes = await residentMebibytes(cluster);
  console.log(`resident: ${sizes.map(({ command, mebibytes }) => `${command} ${mebibytes} MiB`).join(", ")}`);
  expect(sizes.filter(({ command }) => command === "quicproxy")).toHaveLength(addresses.length);
  for (const { command, mebibytes } of sizes) {
    expect(mebibytes).toBeLessThanOrEqual(128 + (command === "quicproxy" ? flowMemoryMebibytes : 0));
  }
});
