import { readFileSync } from "node:fs";
import { type Cluster, kubectl, run, workerNodes } from "../../cluster/cluster.ts";
import { helm, release, system } from "../../cluster/product.ts";
import { list } from "./objects.ts";

export { install, system, uninstall } from "../../cluster/product.ts";

/** What `helm test` said. */
export function testRelease(cluster: Cluster): Promise<string> {
  return helm(cluster, ["test", release, "--timeout", "60s"]);
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
  await kubectl(cluster, ["-n", system, "rollout", "status", `deployment/${name}`, "--timeout=170s"]);
}
