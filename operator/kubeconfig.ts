import type { RequestOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import type { ApiEndpoint } from "../kube/transport.ts";

/** What the library makes up where it finds no kubeconfig. */
const MADE_UP_SERVER = "http://localhost:8080";

/**
 * The API server and identity of the present context of a kubeconfig (KUBECONFIG, ~/.kube/config).
 * @throws Error where there is none.
 */
export function kubeconfigEndpoint(): ApiEndpoint {
  const config = new KubeConfig();
  config.loadFromDefault();
  const cluster = config.getCurrentCluster();
  if (cluster === null || cluster.server === MADE_UP_SERVER) {
    throw new Error("no cluster: run in a pod, or set KUBECONFIG to a file with a current context");
  }
  return {
    server: cluster.server,
    async credentials() {
      const options: RequestOptions = { headers: {} };
      await config.applyToHTTPSOptions(options);
      return options;
    },
  };
}
