/*
 * How the kubelet asks a proxy for its health: by a socket of the file system, not by a port. On the host's network a port
 * may be another program's, and one that is a setting would be wrong in the pods of before as soon as it changes.
 */

const HEALTH_DIR = "/run/quicproxy";
const HEALTH_VOLUME = "health";
export const HEALTH_SOCKET = `${HEALTH_DIR}/health.sock`;

/** In memory, so that a full disk of the node keeps no proxy from being asked. */
export const healthVolume = { name: HEALTH_VOLUME, emptyDir: { medium: "Memory", sizeLimit: "1Mi" } };
export const healthMount = { name: HEALTH_VOLUME, mountPath: HEALTH_DIR };

interface ProbeTimes {
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly failureThreshold: number;
}

/** The probe gives up before the kubelet does, so that an event says why. */
function ask(path: string, times: ProbeTimes): object {
  const waitMs = times.timeoutSeconds * 1000 - 500;
  return { exec: { command: ["quicproxy-probe", HEALTH_SOCKET, path, String(waitMs)] }, ...times };
}

/** Until the startup probe has succeeded once the kubelet asks for nothing else; a busy node may take its time. */
export const probes = {
  startupProbe: ask("/healthz", { periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 600 }),
  livenessProbe: ask("/healthz", { periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 }),
  readinessProbe: ask("/readyz", { periodSeconds: 5, timeoutSeconds: 2, failureThreshold: 2 }),
};
