import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { ensureProgram, type Say } from "./binaries.ts";
import { type Cluster, kubectl, run } from "./cluster.ts";
import { untilTrue } from "./local/daemon.ts";

/*
 * A cluster of Docker containers, made by kind. The machines that this project is tested on have no Docker engine:
 * nothing in this file has run there.
 */

const clusterName = "quicproxy";
const directory = resolve(import.meta.dirname, "../..", "build", "kind");
const kubeconfig = join(directory, "kubeconfig");

export function dockerAnswers(): boolean {
  return spawnSync("docker", ["info"], { stdio: "ignore", timeout: 10_000 }).status === 0;
}

/** Makes the cluster unless it is there. */
export async function startKind(say: Say): Promise<Cluster> {
  const kind = await ensureProgram("kind", say);
  mkdirSync(directory, { recursive: true });
  if ((await run([kind, ["get", "clusters"]])).split("\n").includes(clusterName)) {
    await run([kind, ["export", "kubeconfig", "--name", clusterName, "--kubeconfig", kubeconfig]]);
  } else {
    say("kind makes a cluster");
    const config = ["--config", join(import.meta.dirname, "kind.yaml"), "--kubeconfig", kubeconfig];
    await run([kind, ["create", "cluster", "--name", clusterName, "--wait", "180s", ...config]]);
  }
  const cluster = await kindCluster(say);
  await kubectl(cluster, ["wait", "--for=create", "serviceaccount/default", "--timeout=60s"]);
  return cluster;
}

/** Returns whether there was one. */
export async function removeKind(say: Say): Promise<boolean> {
  if (!existsSync(kubeconfig)) return false;
  const kind = await ensureProgram("kind", say);
  await run([kind, ["delete", "cluster", "--name", clusterName, "--kubeconfig", kubeconfig]]);
  rmSync(directory, { recursive: true });
  return true;
}

/** The cluster that was made here, or undefined. */
export async function findKind(say: Say): Promise<Cluster | undefined> {
  return existsSync(kubeconfig) ? kindCluster(say) : undefined;
}

async function kindCluster(say: Say): Promise<Cluster> {
  const kind = await ensureProgram("kind", say);
  const kubectlPath = await ensureProgram("kubectl", say);
  const helm = await ensureProgram("helm", say);
  const onNode = (node: string, command: readonly string[]): [string, string[]] => [
    "docker",
    ["exec", node, ...command],
  ];
  const moveApiServer = (from: string, to: string): Promise<string> =>
    run(onNode(`${clusterName}-control-plane`, ["mv", `${from}/kube-apiserver.yaml`, `${to}/kube-apiserver.yaml`]));
  const ready = (): Promise<string> => run([kubectlPath, [`--kubeconfig=${kubeconfig}`, "get", "--raw", "/readyz"]]);
  const away = (): Promise<boolean> =>
    ready().then(
      () => false,
      () => true,
    );
  return {
    provider: "kind",
    kubeconfig,
    kubectl: kubectlPath,
    helm,
    async loadImage(archive) {
      await run([kind, ["load", "image-archive", archive, "--name", clusterName]]);
    },
    // The machine itself reaches the containers by their addresses.
    onClient: ([file, ...args]) => [file!, args],
    onNode,
    async pauseKubelet(node, paused) {
      await run(onNode(node, ["pkill", paused ? "-STOP" : "-CONT", "-x", "kubelet"]));
    },
    // The kubelet runs the API server while its manifest is in this folder.
    async stopApiServer() {
      await moveApiServer("/etc/kubernetes/manifests", "/etc/kubernetes");
      await untilTrue("the API server's end", [], away);
    },
    async startApiServer() {
      await moveApiServer("/etc/kubernetes", "/etc/kubernetes/manifests");
      await untilTrue("API server", [], ready);
    },
  };
}
