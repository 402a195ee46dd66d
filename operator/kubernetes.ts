import type { RequestOptions } from "node:https";
import { inClusterEndpoint, isInCluster } from "../crds/client/in_cluster.ts";
import type { ApiEndpoint } from "../crds/client/transport.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The API server and the operator's identity there: that of the pod, or else of the present context of a kubeconfig
 * (KUBECONFIG, ~/.kube/config). Only the latter needs the client library, which knows every way to log in; it is loaded
 * only then, because it takes more memory than the whole operator without it.
 * @throws Error where there is neither.
 */
export async function openEndpoint(env: Environment): Promise<ApiEndpoint> {
  if (env.KUBECONFIG === undefined && isInCluster(env)) return inClusterEndpoint({ env });
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  config.loadFromDefault();
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error("no cluster: run in a pod, or set KUBECONFIG to a file with a current context");
  return {
    server: cluster.server,
    async credentials() {
      const options: RequestOptions = { headers: {} };
      await config.applyToHTTPSOptions(options);
      return options;
    },
  };
}
