import { formatAddress } from "../../process/host_port.ts";
import type { Log } from "../../process/log.ts";
import type { NativeBackend } from "../apply/addon.ts";
import { decodeSamples } from "./sample.ts";

export interface SampleSource {
  /** Raw records since the last call (native/abi/sample.h). */
  takeSamples(): ArrayBuffer;
  backends(): readonly NativeBackend[];
}

const INTERVAL_MS = 1000;

/**
 * Logs the datagrams of sampled connections once a second. The native side hands out at most 1,024 a call and drops
 * what its rings cannot hold (`quicproxy_sample_lost_total`), so the log is bounded whatever a connection does.
 * @returns what ends it
 */
export function startSampleLog(source: SampleSource, log: Log, intervalMs: number = INTERVAL_MS): () => void {
  const timer = setInterval(() => logSamples(source, log), intervalMs);
  timer.unref();
  return () => {
    clearInterval(timer);
    logSamples(source, log);
  };
}

function logSamples(source: SampleSource, log: Log): void {
  const samples = decodeSamples(source.takeSamples());
  if (samples.length === 0) return;
  const names = new Map(source.backends().map(({ slot, address, port }) => [slot, formatAddress(address, port)]));
  for (const { backendSlot, ...sample } of samples) {
    const backend = names.get(backendSlot) ?? `slot ${backendSlot}`;
    const { connection, direction, outcome } = sample;
    log.info({ ...sample, backend }, `connection ${connection} ${direction} ${outcome}`);
  }
}
