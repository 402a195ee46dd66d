import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Cluster, kubectl, run, workerNodes } from "../../cluster/cluster.ts";
import { list } from "./objects.ts";

export const system = "quicproxy-system";
const release = "quicproxy";
const root = resolve(import.meta.dirname, "../../..");
const chart = resolve(root, "charts/quicproxy");
const archive = resolve(root, "build/image/quicproxy.oci.tar");

/** What `make image` called the image. */
function imageName(): { repository: string; tag: string } {
  const [name] = readFileSync(resolve(root, "build/image/quicproxy.txt"), "utf8").split("\n");
  const colon = name!.lastIndexOf(":");
  return { repository: name!.slice(0, colon), tag: name!.slice(colon + 1) };
}

function helm(cluster: Cluster, args: readonly string[]): Promise<string> {
  return run([cluster.helm, [`--kubeconfig=${cluster.kubeconfig}`, "-n", system, ...args]]);
}

/** Imports the image that `make image` built and installs the chart. Resolves with what helm said. */
export async function install(cluster: Cluster): Promise<string> {
  await cluster.loadImage(archive);
  const { repository, tag } = imageName();
  const values = [`image.repository=${repository}`, `image.tag=${tag}`, "image.pullPolicy=Never"];
  const set = values.flatMap((value) => ["--set", value]);
  const how = ["--create-namespace", "--wait", "--timeout", "120s"];
  return helm(cluster, ["upgrade", "--install", release, chart, ...set, ...how]);
}

/** What `helm test` said. */
export function testRelease(cluster: Cluster): Promise<string> {
  return helm(cluster, ["test", release, "--timeout", "60s"]);
}

export function uninstall(cluster: Cluster): Promise<string> {
  return helm(cluster, ["uninstall", release, "--wait", "--timeout", "60s"]);
}

/** Whatever of the cluster carries this name, in any namespace: `kind/name`. */
export async function traces(cluster: Cluster): Promise<string[]> {
  const kinds = [
    "deployments,daemonsets,pods,services,serviceaccounts,roles,rolebindings,leases,poddisruptionbudgets",
    "clusterroles,clusterrolebindings,customresourcedefinitions",
  ];
  const found = await Promise.all([list(cluster, kinds[0]!, ["-A"]), list(cluster, kinds[1]!, [])]);
  return found
    .flat()
    .filter(({ metadata }) => metadata.name.includes("quicprox"))
    .map(({ kind, metadata }) => `${kind}/${metadata.name}`)
    .sort();
}

/** The operator's Deployment, whatever the chart calls it. */
export async function operatorName(cluster: Cluster): Promise<string> {
  const [deployment] = await list(cluster, "deployments", ["-n", system]);
  return deployment!.metadata.name;
}

/** Address of the clients' host on the nodes' network. */
export async function clientsHostAddress(cluster: Cluster): Promise<string> {
  const [node] = await workerNodes(cluster);
  const [route] = JSON.parse(await run(cluster.onClient(["ip", "-j", "route", "get", node!.v4!]))) as {
    prefsrc: string;
  }[];
  return route!.prefsrc;
}

/** Memory of the product's processes on the nodes, which are processes of this machine. */
export async function residentMebibytes(cluster: Cluster): Promise<{ command: string; mebibytes: number }[]> {
  const nodes = await workerNodes(cluster);
  const perNode = nodes.map(async ({ name }) => {
    const tasks = await run(cluster.onNode(name, ["ctr", "-n", "k8s.io", "tasks", "list"]));
    const ids = [...tasks.matchAll(/^\S+\s+(\d+)\s+RUNNING/gm)].map(([, id]) => id!);
    return ids.flatMap((id) => {
      const command = /\bquicproxy(-operator)?\b/.exec(readFileSync(`/proc/${id}/cmdline`, "utf8"))?.[0];
      if (command === undefined) return [];
      const [, kibibytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${id}/status`, "utf8"))!;
      return [{ command, mebibytes: Math.round(Number(kibibytes) / 1024) }];
    });
  });
  return (await Promise.all(perNode)).flat();
}

export async function scaleOperator(cluster: Cluster, replicas: number): Promise<void> {
  const name = await operatorName(cluster);
  await kubectl(cluster, ["-n", system, "scale", `deployment/${name}`, `--replicas=${replicas}`]);
  await kubectl(cluster, ["-n", system, "rollout", "status", `deployment/${name}`, "--timeout=90s"]);
}
