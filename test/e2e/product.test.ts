import { rm } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, type ClusterNode, killContainer, kubectl, workerNodes } from "../cluster/cluster.ts";
import { findCluster } from "../cluster/provider.ts";
import { until } from "../until.ts";
import { type DownloadPlan, download, faultsOf, serversOf } from "./scene/downloads.ts";
import { apply, condition, list, untilEqual } from "./scene/objects.ts";
import { install, operatorName, scaleOperator, system, testRelease, traces, uninstall } from "./scene/product.ts";
import { deployQuicServer, provideQuicServer, type QuicContent, serverPods } from "./scene/quic_service.ts";

/*
 * The product as its users have it: installed with Helm on a cluster of two nodes, QUIC servers in pods, and real QUIC
 * clients outside that reach the nodes' addresses. Each test goes on where the one before it ended.
 */

const namespace = "e2e-media";
const server = { namespace, name: "quic-server" };
const nodeLabel = "quicproxy.io/e2e-edge";
const port = 443;

let cluster: Cluster;
let nodes: ClusterNode[];
let content: QuicContent;

const spec = {
  listeners: [{ port }],
  backends: { service: { name: server.name, port: 443 } },
  nodes: { selector: { [nodeLabel]: "" } },
};

const edge = (changes: object = {}): object => ({
  apiVersion: "quicproxy.io/v1alpha1",
  kind: "QuicProxy",
  metadata: { namespace, name: "edge" },
  spec: { ...spec, ...changes },
});

const inNamespace = (...args: string[]): Promise<string> => kubectl(cluster, ["-n", namespace, ...args]);

async function untilReady(name: string, message = ""): Promise<void> {
  await untilEqual(
    `QuicProxy ${name} is ready`,
    async () => {
      const said = await condition(cluster, namespace, name, "Ready");
      return said.startsWith(`True Ready: ${message}`) ? true : said;
    },
    true,
  );
}

const fetchFiles = (plan: Omit<DownloadPlan, "port" | "address"> & Partial<DownloadPlan>) =>
  download(cluster, content, { port, address: nodes[0]!.v4!, ...plan });

/** Connections of 9 s through both nodes, which are asked for something all the time. */
async function traffic(): Promise<Awaited<ReturnType<typeof fetchFiles>>> {
  const plan = { connections: 6, parallel: 6, downloads: 30, pauseMs: 300 };
  const each = nodes.map(({ v4 }) => fetchFiles({ ...plan, address: v4! }));
  return (await Promise.all(each)).flat();
}

interface ProxyPod {
  name: string;
  node: string;
  containerId: string;
  restarts: number;
}

async function proxyPods(): Promise<ProxyPod[]> {
  const pods = await list(cluster, "pods", ["-n", namespace, "-l", "quicproxy.io/proxy=edge"]);
  return pods.map(({ metadata, spec: { nodeName }, status }) => {
    const [container] = (status as { containerStatuses?: { containerID: string; restartCount: number }[] })
      .containerStatuses ?? [{ containerID: "", restartCount: 0 }];
    const { containerID, restartCount } = container!;
    return { name: metadata.name, node: nodeName as string, containerId: containerID, restarts: restartCount };
  });
}

beforeAll(async () => {
  cluster = await findCluster(console.log);
  nodes = await workerNodes(cluster);
  content = await provideQuicServer(cluster);
  await apply(cluster, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  for (const { name } of nodes) await kubectl(cluster, ["label", "node", name, `${nodeLabel}=`, "--overwrite"]);
  await deployQuicServer(cluster, { ...server, replicas: 2 }, content);
}, 300_000);

afterAll(async () => {
  await cluster.startApiServer();
  await kubectl(cluster, ["delete", "namespace", namespace, "--ignore-not-found", "--timeout=180s"]);
  await uninstall(cluster).catch(() => undefined);
  for (const { name } of nodes) await kubectl(cluster, ["label", "node", name, `${nodeLabel}-`]);
  await kubectl(cluster, ["delete", "namespace", system, "--ignore-not-found", "--timeout=180s"]);
  await rm(content.directory, { recursive: true, force: true });
}, 400_000);

test("helm install brings an operator that passes its own test", async () => {
  const said = await install(cluster);
  expect(said).toContain("STATUS: deployed");
  expect(await testRelease(cluster)).toMatch(/Phase:\s+Succeeded/);
});

test("kubectl apply makes every node forward", async () => {
  const start = performance.now();
  await apply(cluster, edge());
  const first = nodes.map(async ({ name, v4 }) => {
    await until(`${name} forwards`, async () => {
      const got = await fetchFiles({ address: v4!, connections: 1, timeoutMs: 2_000 });
      return faultsOf(got).length === 0;
    });
    return Math.round(performance.now() - start);
  });
  console.log(`from kubectl apply to the first whole download, by node: ${(await Promise.all(first)).join(", ")} ms`);
  await untilReady("edge", "2 nodes forward to 2 backends");
});

test("kubectl get and describe tell a stranger what is there", async () => {
  const table = await inNamespace("get", "qp");
  console.log(table);
  const columns = ["NAME", "ACCEPTED", "READY", "NODES", "BACKENDS", "WORKERS", "DROPS/S", "UNANSWERED/S", "AGE"];
  expect(table.split("\n")[0]!.split(/\s{2,}/)).toEqual(columns);
  expect(table.split("\n")[1]).toMatch(/^edge\s+True\s+True\s+2\/2\s+2\/2\s+\d+\s+0\s+\d+\s+\S+$/);
  const described = await inNamespace("describe", "qp", "edge");
  console.log(described);
  expect(described).toMatch(/Reason:\s+Ready/);
  expect(described).toContain("2 nodes forward to 2 backends");
  expect(described).toMatch(/Normal\s+Created/);
});

test("200 downloads through both nodes, over both families, arrive whole from every server", async () => {
  const targets = nodes.flatMap(({ v4, v6 }) => [v4!, v6!]);
  const got = await Promise.all(targets.map((address) => fetchFiles({ address, connections: 50 })));
  expect(faultsOf(got.flat())).toEqual([]);
  expect(got.flat()).toHaveLength(200);
  const pods = (await serverPods(cluster, server)).map(({ name }) => name);
  for (const ofTarget of got) expect(serversOf(ofTarget)).toEqual(pods);
});

test("servers come and go under traffic, and nobody notices", async () => {
  const before = (await serverPods(cluster, server)).map(({ name }) => name);
  const growing = traffic();
  await inNamespace("scale", "deployment/quic-server", "--replicas=4");
  await untilReady("edge", "2 nodes forward to 4 backends");
  const four = (await serverPods(cluster, server)).map(({ name }) => name);
  expect(four).toHaveLength(4);
  expect(serversOf(await fetchFiles({ connections: 60 }))).toEqual(four);
  expect(serversOf(await growing)).toEqual(before);
  expect(faultsOf(await growing)).toEqual([]);

  const shrinking = traffic();
  expect(faultsOf(await fetchFiles({ connections: 20 }))).toEqual([]);
  await inNamespace("scale", "deployment/quic-server", "--replicas=2");
  await untilReady("edge", "2 nodes forward to 2 backends");
  const left = (await serverPods(cluster, server)).map(({ name }) => name);
  const late = await fetchFiles({ connections: 60 });
  expect(faultsOf(late)).toEqual([]);
  expect(serversOf(late)).toEqual(left);
  // Servers that are going serve what they have for as long as their pod may.
  expect(faultsOf(await shrinking)).toEqual([]);
  expect(serversOf(await shrinking).filter((name) => !left.includes(name))).not.toEqual([]);
});

test("another port is opened, and closed, under traffic", async () => {
  const during = traffic();
  await apply(cluster, edge({ listeners: [{ port }, { port: 8443 }] }));
  await untilReady("edge");
  for (const { v4 } of nodes)
    expect(faultsOf(await fetchFiles({ address: v4!, port: 8443, connections: 5 }))).toEqual([]);
  await apply(cluster, edge());
  await untilReady("edge");
  const closed = await fetchFiles({ port: 8443, connections: 2, timeoutMs: 1_500 });
  expect(faultsOf(closed)).toHaveLength(2);
  expect(faultsOf(await during)).toEqual([]);
  expect((await proxyPods()).map(({ restarts }) => restarts)).toEqual([0, 0]);
});

test("weights are changed under traffic", async () => {
  const pods = await serverPods(cluster, server);
  const weighted = (weights: number[]): object => ({
    ...edge({
      listeners: [{ port: 9443 }],
      backends: { static: pods.map(({ address }, index) => ({ address, port: 4433, weight: weights[index] })) },
      metrics: { port: 9470 },
    }),
    metadata: { namespace, name: "weighted" },
  });
  await apply(cluster, weighted([1, 0]));
  await untilReady("weighted");
  const during = fetchFiles({ port: 9443, connections: 4, parallel: 4, downloads: 20, pauseMs: 300 });
  expect(serversOf(await fetchFiles({ port: 9443, connections: 20 }))).toEqual([pods[0]!.name]);
  await apply(cluster, weighted([0, 1]));
  await untilReady("weighted");
  expect(serversOf(await fetchFiles({ port: 9443, connections: 20 }))).toEqual([pods[1]!.name]);
  expect(serversOf(await during)).toEqual([pods[0]!.name]);
  expect(faultsOf(await during)).toEqual([]);
  await inNamespace("delete", "qp", "weighted", "--timeout=60s");
});

test("a node that loses its label loses the proxy, and gets it back with it", async () => {
  const [stays, leaves] = nodes as [ClusterNode, ClusterNode];
  const during = fetchFiles({ address: stays.v4!, connections: 6, parallel: 6, downloads: 30, pauseMs: 300 });
  await kubectl(cluster, ["label", "node", leaves.name, `${nodeLabel}-`]);
  await untilReady("edge", "1 node forwards to 2 backends");
  await until("its pod is gone", async () => (await proxyPods()).map(({ node }) => node).join() === stays.name);
  const objects = await list(cluster, "quicproxynodes", ["-n", namespace]);
  expect(objects.map(({ metadata }) => metadata.name)).toEqual([`edge.${stays.name}`]);
  expect(faultsOf(await fetchFiles({ address: leaves.v4!, connections: 1, timeoutMs: 1_500 }))).toHaveLength(1);
  await kubectl(cluster, ["label", "node", leaves.name, `${nodeLabel}=`]);
  await untilReady("edge", "2 nodes forward to 2 backends");
  expect(faultsOf(await fetchFiles({ address: leaves.v4!, connections: 10 }))).toEqual([]);
  expect(faultsOf(await during)).toEqual([]);
});

test("a proxy that dies while no API server answers comes back with what it had", async () => {
  const [node, other] = nodes as [ClusterNode, ClusterNode];
  const pod = (await proxyPods()).find((each) => each.node === node.name)!;
  const elsewhere = fetchFiles({ address: other.v4!, connections: 4, parallel: 4, downloads: 20, pauseMs: 300 });
  await cluster.stopApiServer();
  try {
    await killContainer(cluster, node.name, pod.containerId);
    await until("it forwards again", async () => {
      return faultsOf(await fetchFiles({ address: node.v4!, connections: 1, timeoutMs: 2_000 })).length === 0;
    });
    expect(faultsOf(await fetchFiles({ address: node.v4!, connections: 20 }))).toEqual([]);
    expect(faultsOf(await elsewhere)).toEqual([]);
  } finally {
    await cluster.startApiServer();
  }
  await until("the kubelet has told of the restart", async () => {
    return (await proxyPods()).find(({ name }) => name === pod.name)!.restarts === pod.restarts + 1;
  });
  await untilReady("edge", "2 nodes forward to 2 backends");
});

test("without an operator traffic goes on, and the next one catches up", async () => {
  await scaleOperator(cluster, 0);
  const during = traffic();
  await inNamespace("scale", "deployment/quic-server", "--replicas=3");
  await inNamespace("rollout", "status", "deployment/quic-server", "--timeout=170s");
  expect(faultsOf(await during)).toEqual([]);
  await scaleOperator(cluster, 2);
  await untilReady("edge", "2 nodes forward to 3 backends");
  const pods = (await serverPods(cluster, server)).map(({ name }) => name);
  expect(serversOf(await fetchFiles({ connections: 60 }))).toEqual(pods);
});

test("operator pods and proxy pods have no more rights than they need", async () => {
  const [deployment] = await list(cluster, "deployments", ["-n", system]);
  expect(deployment!.metadata.name).toBe(await operatorName(cluster));
  const text = JSON.stringify(deployment!.spec);
  expect(text).toContain('"readOnlyRootFilesystem":true');
  expect(text).toContain('"runAsNonRoot":true');
  const [daemonSet] = await list(cluster, "daemonsets", ["-n", namespace]);
  expect(JSON.stringify(daemonSet!.spec)).not.toMatch(/"privileged":true|SYS_ADMIN|hostPID|hostPath/);
  expect(JSON.stringify(daemonSet!.spec)).not.toContain('"ports"');
});

test("a deleted QuicProxy leaves nothing behind", async () => {
  await inNamespace("delete", "qp", "edge", "--timeout=60s");
  const kinds = "daemonsets,quicproxynodes,roles,rolebindings,serviceaccounts,pods";
  await until("everything of it is gone", async () => {
    const found = await list(cluster, kinds, ["-n", namespace]);
    return found.every(({ metadata }) => !metadata.name.includes("edge"));
  });
  const labels = (await list(cluster, "nodes", [])).flatMap(({ metadata }) => Object.keys(metadata.labels ?? {}));
  expect(labels.filter((label) => label.includes(`edge.${namespace}`))).toEqual([]);
});

test("helm uninstall leaves what its notes name, and nothing else", async () => {
  await uninstall(cluster);
  const kept = [
    "CustomResourceDefinition/quicproxies.quicproxy.io",
    "CustomResourceDefinition/quicproxybackends.quicproxy.io",
    "CustomResourceDefinition/quicproxyclasses.quicproxy.io",
    "CustomResourceDefinition/quicproxykeys.quicproxy.io",
    "CustomResourceDefinition/quicproxynodes.quicproxy.io",
    "Lease/quicproxy-operator",
  ];
  await untilEqual("what is left", () => traces(cluster), kept);
});
