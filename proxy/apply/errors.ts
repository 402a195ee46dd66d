import { formatAddress } from "../../process/host_port.ts";
import type { NativeError, NativeErrorCode } from "./addon.ts";
import { raiseOpenFiles } from "./open_files.ts";
import type { Plan } from "./plan.ts";

export interface Explanation {
  code: NativeErrorCode;
  /** Where in the manifest the cause is, `spec.listeners[0]` for instance. */
  path?: string;
  message: string;
  remedy: string;
}

interface CatalogueEntry {
  message: (where: string, error: NativeError) => string;
  remedy: (port: number) => string;
}

const detail = (error: NativeError): string => error.message;
const at = (text: string) => (where: string) => `${where}: ${text}`;
const UNPRIVILEGED_PORT_START = 1024;

function deniedRemedy(port: number): string {
  if (port >= UNPRIVILEGED_PORT_START) return "allow this user to bind UDP sockets, or choose another port";
  return (
    "grant CAP_NET_BIND_SERVICE (setcap cap_net_bind_service=+ep on the node binary, or run as root), " +
    `or sysctl -w net.ipv4.ip_unprivileged_port_start=${port}, or choose a port from ${UNPRIVILEGED_PORT_START} on`
  );
}

/** Every error the native side can raise, with what to do about it. */
export const NATIVE_ERRORS: Record<NativeErrorCode, CatalogueEntry> = {
  CONTRACT_INVALID: {
    message: (_, error) => `the native side refused the contract: ${detail(error)}`,
    remedy: () => "the addon and the proxy are of different versions: build again with `make build`",
  },
  CONTRACT_STALE: {
    message: (_, error) => `the contract is older than the one in force: ${detail(error)}`,
    remedy: () => "apply a contract of a higher generation",
  },
  NEEDS_RESTART: {
    message: (_, error) => `this change cannot be applied to a running proxy: ${detail(error)}`,
    remedy: () => "restart the proxy to apply it; the contract in force stays until then",
  },
  WORKERS_NEED_RESTART: {
    message: (_, error) => `so many workers cannot be had without a restart: ${detail(error)}`,
    remedy: () => "restart the proxy, which divides the memory anew; the contract in force stays until then",
  },
  LISTEN_PORT_BUSY: {
    message: at("another process has this UDP port"),
    remedy: (port) => `see which one with: ss -ulpn 'sport = :${port}'; stop it or choose another port`,
  },
  LISTEN_PORT_DENIED: {
    message: at("this user may not bind this UDP port"),
    remedy: deniedRemedy,
  },
  LISTEN_ADDRESS_NOT_LOCAL: {
    message: at("the address is not on this host"),
    remedy: () => "use an address that `ip -brief address` shows, or leave it out to listen on all",
  },
  LISTEN_FAILED: {
    message: (where, error) => `${where}: cannot listen: ${detail(error)}`,
    remedy: () => "see the system error",
  },
  NO_MEMORY: {
    message: (_, error) => `not enough memory for the flow tables: ${detail(error)}`,
    remedy: () => "lower the flow memory or the number of workers in spec.dataPlane, or raise the memory limit",
  },
  OPEN_FILE_LIMIT: {
    message: (_, error) => `too few open files are allowed: ${detail(error)}`,
    remedy: () =>
      "raise it with `ulimit -n` (LimitNOFILE= in a systemd unit), or lower the number of workers or listeners",
  },
  THREAD_FAILED: {
    message: (_, error) => `a worker thread could not be started: ${detail(error)}`,
    remedy: () => "raise the limit on processes (`ulimit -u`, pids.max of the cgroup) or lower spec.dataPlane.workers",
  },
  STOPPED: {
    message: () => "the data plane is stopped",
    remedy: () => "start the proxy again",
  },
};

export function isNativeError(error: unknown): error is NativeError {
  return error instanceof Error && "code" in error && typeof error.code === "string" && error.code in NATIVE_ERRORS;
}

/** What a native error means for whoever wrote the manifest of the plan that was refused. */
export function explainNativeError(
  error: NativeError,
  { endpoints, openFilesNeeded }: Pick<Plan, "endpoints" | "openFilesNeeded">,
): Explanation {
  const entry = NATIVE_ERRORS[error.code];
  const place = error.endpoint === undefined ? undefined : endpoints[error.endpoint];
  const where = place ? formatAddress(place.address, place.port) : "an endpoint";
  return {
    code: error.code,
    ...(place ? { path: `spec.listeners[${place.listener}]` } : {}),
    message: entry.message(where, error),
    remedy: error.errno === "EMFILE" ? raiseOpenFiles(openFilesNeeded) : entry.remedy(place?.port ?? 0),
  };
}

/** One line: `spec.listeners[0]: 0.0.0.0:443: another process has this UDP port; see ...`. */
export function formatExplanation({ path, message, remedy }: Explanation): string {
  return `${path ? `${path}: ` : ""}${message}; ${remedy}`;
}
