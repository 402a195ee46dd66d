import type { RequestOptions } from "node:https";
import { agentOfMaterial } from "./agent.ts";
import { KubeConfig } from "./client_library.ts";
import { type Environment, isInCluster } from "./in_cluster.ts";
import type { ApiEndpoint } from "./transport.ts";

/** What the library makes up where it finds no kubeconfig. */
const MADE_UP_SERVER = "http://localhost:8080";

interface Surroundings {
  readonly env: Environment;
  /** In place of the directory / of a pod. */
  readonly root?: string;
}

/**
 * The API server and the identity there: that of the pod, or else of the present context of a kubeconfig (KUBECONFIG,
 * ~/.kube/config), with every way of logging in that the client library knows.
 * @throws Error where there is neither.
 */
export function openEndpoint({ env, root = "" }: Surroundings): ApiEndpoint {
  const config = new KubeConfig();
  if (env.KUBECONFIG === undefined && isInCluster(env)) config.loadFromCluster(root);
  else config.loadFromDefault();
  const cluster = config.getCurrentCluster();
  if (cluster === null || cluster.server === MADE_UP_SERVER) {
    throw new Error("no cluster: run in a pod, or set KUBECONFIG to a file with a current context");
  }
  return { server: cluster.server, credentials: credentialsOf(config, cluster.proxyUrl !== undefined) };
}

/**
 * The library reads tokens and certificates anew for each request, but puts them into an agent that it makes once and that
 * opens a connection for each request. Only one through a proxy is taken from it.
 */
function credentialsOf(config: KubeConfig, throughProxy: boolean): ApiEndpoint["credentials"] {
  const agentOf = agentOfMaterial();
  return async () => {
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    if (throughProxy) return options;
    const { auth, headers = {}, ca, cert, key, servername, rejectUnauthorized } = options;
    const agent = agentOf({ ca, cert, key, servername, rejectUnauthorized });
    return { agent, headers, ...(auth == null ? {} : { auth }) };
  };
}
