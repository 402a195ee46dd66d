import { ensureProgram, type Say } from "./binaries.ts";
import { type Cluster, run } from "./cluster.ts";

/*
 * A cluster that is there already and that E2E_KUBECONFIG names. KUBECONFIG, which may lead to a cluster that people
 * work with, is never read. E2E_LOAD_IMAGE names a program that is called with an archive and makes its images known
 * to the nodes.
 */

export async function namedCluster(kubeconfig: string, say: Say): Promise<Cluster> {
  const impossible = (what: string) => (): never => {
    throw new Error(`${what} is not possible on a cluster that E2E_KUBECONFIG names`);
  };
  return {
    provider: "named",
    kubeconfig,
    kubectl: await ensureProgram("kubectl", say),
    helm: await ensureProgram("helm", say),
    async loadImage(archive) {
      const program = process.env.E2E_LOAD_IMAGE;
      if (!program) throw new Error("E2E_LOAD_IMAGE names no program that gives an image archive to the nodes");
      await run([program, [archive]]);
    },
    onClient: ([file, ...args]) => [file!, args],
    onNode: impossible("a command on a node"),
    pauseKubelet: impossible("pausing a kubelet"),
    stopApiServer: impossible("stopping the API server"),
    startApiServer: impossible("starting the API server"),
  };
}
