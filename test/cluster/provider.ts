import type { Say } from "./binaries.ts";
import { type Cluster, kubectl } from "./cluster.ts";
import { dockerAnswers, findKind, removeKind, startKind } from "./kind.ts";
import { findLocal, removeLocal, startLocal, type UpOptions } from "./local/provider.ts";
import { namedCluster } from "./named.ts";

/** Of a cluster that somebody else runs; undefined otherwise. */
function namedKubeconfig(): string | undefined {
  return process.env.E2E_KUBECONFIG || undefined;
}

/** Brings a cluster up: the one that is named on purpose, else kind where a Docker engine answers, else our own. */
export async function startCluster(options: UpOptions): Promise<Cluster> {
  const kubeconfig = namedKubeconfig();
  if (kubeconfig !== undefined) {
    const cluster = await namedCluster(kubeconfig, options.say);
    await kubectl(cluster, ["get", "--raw", "/readyz"]);
    return cluster;
  }
  return dockerAnswers() ? startKind(options.say) : startLocal(options);
}

/** The cluster that was brought up. Throws when there is none. */
export async function findCluster(say: Say): Promise<Cluster> {
  const kubeconfig = namedKubeconfig();
  const cluster = kubeconfig ? await namedCluster(kubeconfig, say) : ((await findKind(say)) ?? findLocal());
  if (cluster === undefined) throw new Error("no cluster runs here; start one with: make cluster");
  return cluster;
}

/** Takes away what startCluster made; a named cluster stays as it is. Returns whether there was anything. */
export async function removeCluster(say: Say): Promise<boolean> {
  const kind = await removeKind(say);
  return (await removeLocal()) || kind;
}
