import { inClusterEndpoint, isInCluster } from "../kube/in_cluster.ts";
import type { ApiEndpoint } from "../kube/transport.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The API server and the operator's identity there: that of the pod, or else of the present context of a kubeconfig.
 * Only the latter needs the client library, which knows every way to log in; it is loaded only then, because it takes
 * more memory than the whole operator without it.
 * @throws Error where there is neither.
 */
export async function openEndpoint(env: Environment): Promise<ApiEndpoint> {
  if (env.KUBECONFIG === undefined && isInCluster(env)) return inClusterEndpoint({ env });
  return (await import("./kubeconfig.ts")).kubeconfigEndpoint();
}
