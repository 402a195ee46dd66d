import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, type ClusterNode, killContainer, kubectl, run, workerNodes } from "../cluster/cluster.ts";
import { findCluster } from "../cluster/provider.ts";

/*
 * What every other end-to-end test takes for granted: two nodes with pods on the nodes' network and on their own,
 * Services, logs, exec, leases, and a life of the pods without the API server.
 */

const namespace = "cluster-check";
const hostPort = 18_080;
const podPort = 8_080;

interface Pod {
  metadata: { name: string };
  spec: { nodeName: string };
  status: { podIP: string; containerStatuses: { containerID: string; restartCount: number }[] };
}

let cluster: Cluster;
let nodes: ClusterNode[];

/** A DaemonSet whose pods answer HTTP with their own name. */
function webDaemonSet(name: string, port: number, hostNetwork: boolean): unknown {
  const labels = { app: name };
  const script = `echo $POD_NAME >/tmp/index.html; echo serving; exec httpd -f -p ${port} -h /tmp`;
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name, namespace },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          hostNetwork,
          terminationGracePeriodSeconds: 0,
          containers: [
            {
              name: "web",
              image: "localhost/pause:1",
              imagePullPolicy: "Never",
              command: ["sh", "-c", script],
              env: [{ name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
            },
          ],
        },
      },
    },
  };
}

async function podsOf(name: string): Promise<Pod[]> {
  const text = await kubectl(cluster, ["-n", namespace, "get", "pods", "-l", `app=${name}`, "-o", "json"]);
  return (JSON.parse(text) as { items: Pod[] }).items;
}

function inPod({ metadata }: Pod, command: readonly string[]): Promise<string> {
  return kubectl(cluster, ["-n", namespace, "exec", metadata.name, "--", ...command]);
}

async function fetchOnClient(host: string): Promise<string> {
  const url = `http://${host}:${hostPort}/`;
  const program = "process.stdout.write(await (await fetch(process.argv[1])).text())";
  const command = [process.execPath, "--input-type=module", "--eval", program, url];
  return (await run(cluster.onClient(command))).trim();
}

async function untilSame<Value>(ask: () => Promise<Value>, wanted: Value): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if ((await ask().catch(() => undefined)) === wanted) return;
    await sleep(200);
  }
  expect(await ask()).toBe(wanted);
}

beforeAll(async () => {
  cluster = await findCluster(console.log);
  nodes = await workerNodes(cluster);
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace },
    spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: podPort }] },
  };
  const items = [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    webDaemonSet("web", podPort, false),
    webDaemonSet("host-web", hostPort, true),
    service,
  ];
  const directory = await mkdtemp(join(tmpdir(), "quicproxy-e2e-"));
  try {
    const file = join(directory, "web.json");
    writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
    await kubectl(cluster, ["apply", "-f", file]);
  } finally {
    await rm(directory, { recursive: true });
  }
  for (const name of ["web", "host-web"]) {
    await kubectl(cluster, ["-n", namespace, "rollout", "status", `daemonset/${name}`, "--timeout=170s"]);
  }
}, 300_000);

afterAll(async () => {
  await kubectl(cluster, ["delete", "namespace", namespace, "--ignore-not-found", "--timeout=180s"]);
}, 300_000);

test("two nodes have addresses of both families", () => {
  expect(nodes).toHaveLength(2);
  for (const { v4, v6 } of nodes) {
    expect(v4).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
    expect(v6).toContain(":");
  }
});

test("each node runs a pod on its own network and one on the pods' network", async () => {
  const names = nodes.map(({ name }) => name).sort();
  for (const app of ["web", "host-web"]) {
    expect((await podsOf(app)).map(({ spec }) => spec.nodeName).sort()).toEqual(names);
  }
});

test("a pod reaches a pod on the other node", async () => {
  const [one, other] = (await podsOf("web")) as [Pod, Pod];
  const url = `http://${other.status.podIP}:${podPort}/`;
  expect((await inPod(one, ["wget", "-q", "-O", "-", url])).trim()).toBe(other.metadata.name);
});

test("a Service leads to its pods from the pods' network and from the nodes'", async () => {
  const address = await kubectl(cluster, [
    "-n",
    namespace,
    "get",
    "service",
    "web",
    "-o",
    "jsonpath={.spec.clusterIP}",
  ]);
  const names = (await podsOf("web")).map(({ metadata }) => metadata.name);
  for (const pod of [...(await podsOf("web")), ...(await podsOf("host-web"))]) {
    expect(names).toContain((await inPod(pod, ["wget", "-q", "-O", "-", `http://${address}/`])).trim());
  }
});

test("the clients' host reaches each node by both addresses", async () => {
  for (const { metadata, spec } of await podsOf("host-web")) {
    const { v4, v6 } = nodes.find(({ name }) => name === spec.nodeName)!;
    expect(await fetchOnClient(v4!)).toBe(metadata.name);
    expect(await fetchOnClient(`[${v6}]`)).toBe(metadata.name);
  }
});

test("kubectl logs", async () => {
  for (const { metadata } of await podsOf("web")) {
    expect(await kubectl(cluster, ["-n", namespace, "logs", metadata.name])).toBe("serving\n");
  }
});

test("the nodes renew their leases", async () => {
  const renewals = (): Promise<string> => {
    const path = "jsonpath={.items[*].spec.renewTime}";
    return kubectl(cluster, ["-n", "kube-node-lease", "get", "leases", "-o", path]);
  };
  const before = (await renewals()).split(" ");
  expect(before).toHaveLength(2);
  await untilSame(async () => (await renewals()).split(" ").every((time) => !before.includes(time)), true);
});

test("the kubelet starts a killed container again", async () => {
  const [pod] = (await podsOf("web")) as [Pod];
  const [status] = pod.status.containerStatuses;
  await killContainer(cluster, pod.spec.nodeName, status!.containerID);
  const restarts = async (): Promise<number | undefined> =>
    (await podsOf("web")).find(({ metadata }) => metadata.name === pod.metadata.name)?.status.containerStatuses[0]
      ?.restartCount;
  await untilSame(restarts, status!.restartCount + 1);
});

test("pods go on while the API server is away, and it comes back", async () => {
  const [pod] = (await podsOf("host-web")) as [Pod];
  const { v4 } = nodes.find(({ name }) => name === pod.spec.nodeName)!;
  await cluster.stopApiServer();
  try {
    await expect(kubectl(cluster, ["get", "--raw", "/readyz", "--request-timeout=2s"])).rejects.toThrow();
    expect(await fetchOnClient(v4!)).toBe(pod.metadata.name);
  } finally {
    await cluster.startApiServer();
  }
  expect(await podsOf("host-web")).toHaveLength(2);
});
