import { WEIGHT_UNITS } from "../contract/layout.ts";
import { type CounterSnapshot, openCounters } from "../counters/read.ts";
import { loadAddon, type NativeBackend, type NativeDataPlane, type NativeStatus } from "./addon.ts";

/** The running native side, as the rest of the proxy sees it. */
export interface DataPlane {
  /** Swaps the contract while traffic flows. Throws NativeError; the old contract stays in force then. */
  apply(contract: Uint8Array): void;
  status(): NativeStatus;
  /** Reads the shared counters of all workers and of the given backends of the status; no worker is stopped for it. */
  readCounters(backends: readonly NativeBackend[]): CounterSnapshot;
  /** Records of sampled datagrams since the last call, at most 1,024 (native/abi/sample.h). */
  takeSamples(): ArrayBuffer;
  /** Changes of this host's addresses and routes so far that changed how backends are reached. */
  networkChanges(): number;
  /** Joins the workers and closes every socket. */
  stop(): void;
}

export type OpenDataPlane = (contract: Uint8Array) => DataPlane;

export function wrapDataPlane(native: NativeDataPlane): DataPlane {
  const counters = openCounters(native.counters());
  return {
    apply: (contract) => native.apply(contract),
    status: () => withManifestWeights(native.status()),
    readCounters: (backends) => counters.read(backends),
    takeSamples: () => native.samples(),
    networkChanges: () => native.networkChanges(),
    stop: () => native.stop(),
  };
}

function withManifestWeights(status: NativeStatus): NativeStatus {
  const backends = status.backends.map((backend) => ({ ...backend, weight: backend.weight / WEIGHT_UNITS }));
  return { ...status, backends };
}

/** Opens the sockets and starts the workers. Throws NativeError or AddonMissingError; nothing stays open then. */
export function openDataPlane(contract: Uint8Array): DataPlane {
  const { DataPlane: NativePlane } = loadAddon();
  const native = new NativePlane(contract);
  try {
    return wrapDataPlane(native);
  } catch (error) {
    native.stop();
    throw error;
  }
}
