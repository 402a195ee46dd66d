import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

export type NativeErrorCode =
  | "CONTRACT_INVALID"
  | "CONTRACT_STALE"
  | "NEEDS_RESTART"
  | "WORKERS_NEED_RESTART"
  | "LISTEN_PORT_BUSY"
  | "LISTEN_PORT_DENIED"
  | "LISTEN_ADDRESS_NOT_LOCAL"
  | "LISTEN_FAILED"
  | "NO_MEMORY"
  | "OPEN_FILE_LIMIT"
  | "THREAD_FAILED"
  | "STOPPED";

export interface NativeError extends Error {
  code: NativeErrorCode;
  /** Index in the contract's endpoints. */
  endpoint?: number;
  /** Name of the system error, EADDRINUSE for instance. */
  errno?: string;
}

/** A worker's listening socket. */
export interface NativeSocket {
  worker: number;
  /** Octets, as the kernel accounts them. */
  receiveBuffer: number;
  /** Of these, what waits, and what the kernel frees lazily. */
  queued: number;
  /** Datagrams that found the buffer full. */
  kernelDrops: number;
}

export interface NativeEndpoint {
  index: number;
  address: string;
  port: number;
  family: 4 | 6;
  /** Why an optional endpoint is not listening. */
  skipped?: string;
  receiveBufferAsked: number;
  /** As getsockopt says it: a granted SO_RCVBUF reads back doubled (socket(7)). */
  receiveBufferEffective: number;
  sendBufferEffective: number;
  kernelDrops: number;
  /** Those that are open, by worker. */
  sockets: NativeSocket[];
}

export interface NativeBackend {
  slot: number;
  address: string;
  port: number;
  /** As in a manifest; less than it says there while the backend is on trial. */
  weight: number;
  /** Whether the present contract names it; others keep their slot while they have flows. */
  active: boolean;
  /** Local addresses that it is reached from, the routed one first; none: this host has no way to it. */
  sources: string[];
}

export interface NativeStatus {
  generation: number;
  workers: number;
  /** Beyond those: no more in use, but with flows that have not ended. */
  leavingWorkers: number;
  batch: number;
  upstreamLevel: "RawSend" | "ConnectedSocketPool";
  /** Why it is not the level above, if that was tried. */
  upstreamReason?: string;
  /** Source ports toward backends, of RawSend: whole blocks of the manifest's range. */
  upstreamPortFirst?: number;
  upstreamPortLast?: number;
  /** Of the sockets that replies of backends come to, the smallest; as getsockopt says it (socket(7)). */
  upstreamReceiveBufferAsked: number;
  upstreamReceiveBufferEffective: number;
  /** What the kernel dropped at listening sockets of addresses that are no more. */
  kernelDropsOfClosed: number;
  /** How datagrams are spread over workers. */
  steering: "ConnectionId" | "KernelHash";
  /** Why it is not ConnectionId, where there are several workers. */
  steeringReason?: string;
  flowCapacity: number;
  /** Bound of all workers together, after RLIMIT_NOFILE; of ConnectedSocketPool. */
  upstreamSocketMax: number;
  /** What bounds them: the manifest, the limit on open files, or the host's ports for programs that name none. */
  upstreamSocketBound: "Asked" | "OpenFiles" | "EphemeralPorts";
  /** false: the kernel does not tell when addresses and routes change; they are looked at every second. */
  networkEvents: boolean;
  flowMemoryBytes: number;
  /** How packet threads read the clock, which follows from what a reading costs on this host. */
  clock: {
    readNs: number;
    /** Of so many batches one is timed, on average. */
    timedOneIn: number;
    /** Waits are timed by ticks, because readings are slow: busy times are right on average. */
    coarse: boolean;
  };
  endpoints: NativeEndpoint[];
  backends: NativeBackend[];
}

export interface NativeDataPlane {
  /** Swaps the snapshot. Throws NativeError; the old one stays in force then. */
  apply(contract: Uint8Array): void;
  status(): NativeStatus;
  /** The shared counter region; layout in native/abi/counters.h. */
  counters(): ArrayBuffer;
  /** Records of sampled datagrams since the last call, at most 1,024 (native/abi/sample.h). */
  samples(): ArrayBuffer;
  /** Changes of this host's addresses and routes so far that changed how backends are reached. */
  networkChanges(): number;
  /** Joins the workers and closes every socket. */
  stop(): void;
}

/** Where a datagram goes and why; texts as in native/binding/addon.cc. */
export interface NativeExplanation {
  readonly form: "long" | "short" | "malformed" | "empty";
  readonly version: number;
  /** Hexadecimal; of long headers only. */
  readonly dcid: string;
  readonly scid: string;
  readonly rule: "quic_lb" | "four_tuple_scid" | "dcid" | "four_tuple" | "fallback" | "none";
  readonly quicLb: "off" | "no_config" | "too_short" | "unknown_server" | "routed";
  readonly rotation?: number;
  /** Hexadecimal. */
  readonly serverId?: string;
  /** "address port"; empty when nothing is routed. */
  readonly backend: string;
  /** Where the datagram goes once that backend is gone; empty: nowhere. */
  readonly backendWithoutIt: string;
}

export interface Addon {
  /** tuple: udp_path of native/wire/path.h, 36 octets. Throws NativeError. */
  explain(contract: Uint8Array, tuple: Uint8Array, datagram: Uint8Array): NativeExplanation;
  DataPlane: new (contract: Uint8Array) => NativeDataPlane;
}

export class AddonMissingError extends Error {
  override readonly name = "AddonMissingError";
}

/** In the image the addon lies beside the bundled program, in a work tree where node-gyp puts it. */
const ADDON_PATHS = ["quicproxy.node", "../../build/Release/quicproxy.node"].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);
const ADDON_PATH = ADDON_PATHS.find((path) => existsSync(path)) ?? ADDON_PATHS.at(-1)!;
const REMEDY = "build it with `make build` (or `npm run build`)";

/** Loads the native addon. Throws AddonMissingError when it was not built, or was built for another Node. */
export function loadAddon(path: string = ADDON_PATH): Addon {
  if (!existsSync(path)) throw new AddonMissingError(`the native addon ${path} is missing: ${REMEDY}`);
  try {
    return createRequire(import.meta.url)(path) as Addon;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new AddonMissingError(`the native addon ${path} does not load (${reason}): ${REMEDY}`, { cause: error });
  }
}
