import { execFileSync } from "node:child_process";
import { join, resolve } from "node:path";
import { insideNamespace } from "../../../proxy/lab/namespace.ts";
import { programPath, type Say } from "../binaries.ts";
import { type Cluster, run } from "../cluster.ts";
import { apiReader } from "./api.ts";
import { type Daemon, isRunning, startDaemon, stopDaemon, untilTrue } from "./daemon.ts";
import { insideNode } from "./node.ts";
import { removeCluster } from "./remove.ts";
import { importCommand, startCluster } from "./start.ts";
import { readState, type State, writeState } from "./state.ts";
import { planTopology } from "./topology.ts";

const root = resolve(import.meta.dirname, "../../..");

/** Where the cluster of this work tree lives. */
export function localDirectory(): string {
  return join(root, "build", "cluster");
}

export interface UpOptions {
  say: Say;
  signal: AbortSignal;
}

/** Starts the cluster unless it runs; a failed start leaves only its logs. */
export async function startLocal({ say, signal }: UpOptions): Promise<Cluster> {
  if (process.geteuid?.() !== 0) throw new Error("the cluster makes network namespaces: run this as root");
  execFileSync(join(root, "setup", "packages.sh"), ["cluster"], { stdio: "inherit" });
  const directory = localDirectory();
  const present = readState(directory);
  if (present !== undefined && (await isHealthy(present))) {
    say("the cluster runs already");
    return clusterOf(directory, present);
  }
  if (await removeCluster(directory)) say("removed what an earlier start had left");
  try {
    return clusterOf(directory, await startCluster({ directory, say, signal }));
  } catch (error) {
    await removeCluster(directory, { keepLogs: true });
    say(`the logs are in ${join(directory, "logs")}`);
    throw error;
  }
}

export async function removeLocal(): Promise<boolean> {
  return removeCluster(localDirectory());
}

/** The cluster that runs, or undefined. */
export function findLocal(): Cluster | undefined {
  const directory = localDirectory();
  const state = readState(directory);
  return state?.ready ? clusterOf(directory, state) : undefined;
}

async function isHealthy(state: State): Promise<boolean> {
  if (!state.ready || !Object.values(state.daemons).every(isRunning)) return false;
  return apiReader(
    state.certificates,
    state.apiPort,
  )("/readyz").then(
    () => true,
    () => false,
  );
}

function clusterOf(directory: string, state: State): Cluster {
  const plan = planTopology(directory);
  const holderOf = (node: string): Daemon => {
    const holder = state.daemons[`${node}-holder`];
    if (holder === undefined) throw new Error(`the cluster has no node ${node}`);
    return holder;
  };
  return {
    provider: "local",
    kubeconfig: join(directory, "kubeconfig"),
    kubectl: programPath("kubectl"),
    helm: programPath("helm"),
    async loadImage(archive) {
      await Promise.all(plan.nodes.map(({ name }) => run(importCommand(holderOf(name), resolve(archive)))));
    },
    onClient: (command) => insideNamespace(plan.client.namespace, command),
    onNode: (node, command) => insideNode(holderOf(node), command),
    async pauseKubelet(node, paused) {
      const kubelet = state.daemons[`${node}-kubelet`];
      if (kubelet === undefined || !isRunning(kubelet)) throw new Error(`no kubelet runs on ${node}`);
      process.kill(kubelet.pid, paused ? "SIGSTOP" : "SIGCONT");
    },
    stopApiServer: () => stopDaemon(state.daemons["kube-apiserver"]!),
    startApiServer: () => restartApiServer(directory, state),
  };
}

async function restartApiServer(directory: string, state: State): Promise<void> {
  const name = state.apiServer.name;
  if (!isRunning(state.daemons[name]!)) {
    state.daemons[name] = await startDaemon(state.apiServer);
    writeState(directory, state);
  }
  const read = apiReader(state.certificates, state.apiPort);
  await untilTrue("API server", [state.daemons[name]!], () => read("/readyz"));
}
