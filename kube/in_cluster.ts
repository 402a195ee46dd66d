export type Environment = Readonly<Record<string, string | undefined>>;

/** Whether this is a pod that is told where its API server is. */
export function isInCluster(env: Environment): boolean {
  return env.KUBERNETES_SERVICE_HOST !== undefined && env.KUBERNETES_SERVICE_PORT !== undefined;
}
