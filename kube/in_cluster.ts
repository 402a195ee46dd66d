import { readFile } from "node:fs/promises";
import { Agent } from "node:https";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import type { ApiEndpoint } from "./transport.ts";

const SERVICE_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount";
/** The kubelet replaces a token long before it ends; client-go reads it again as often. */
const TOKEN_MAX_AGE_MS = 60_000;

/** Where a pod finds the API server and who it is there. `env`: the pod's environment. */
export interface PodIdentity {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly directory?: string;
}

export function isInCluster(env: PodIdentity["env"]): boolean {
  return env.KUBERNETES_SERVICE_HOST !== undefined && env.KUBERNETES_SERVICE_PORT !== undefined;
}

/** The API server as a pod sees it, with the token and certificate of its service account. */
export function inClusterEndpoint({ env, directory = SERVICE_ACCOUNT_DIR }: PodIdentity): ApiEndpoint {
  const host = env.KUBERNETES_SERVICE_HOST ?? "";
  const port = env.KUBERNETES_SERVICE_PORT ?? "";
  let agent: Agent | undefined;
  let token = "";
  let readAtMs = Number.NEGATIVE_INFINITY;
  return {
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    async credentials() {
      agent ??= new Agent({ keepAlive: true, ca: await readFile(join(directory, "ca.crt")) });
      if (performance.now() - readAtMs > TOKEN_MAX_AGE_MS) {
        token = (await readFile(join(directory, "token"), "utf8")).trim();
        readAtMs = performance.now();
      }
      return { agent, headers: { authorization: `Bearer ${token}` } };
    },
  };
}
