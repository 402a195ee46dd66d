import { constants } from "node:os";

/*
 * The kernel drops a signal to process 1 of a container when the process has no handler for it (pid_namespaces(7)). A pod
 * that is deleted while its program is being loaded would live until SIGKILL, 30 s by default, so a handler has to be
 * there before anything large is imported.
 */

const END_SIGNALS = ["SIGTERM", "SIGINT"] as const;

export type EndSignal = (typeof END_SIGNALS)[number];

/** As process 1: ends at once on either signal, until `takeEndSignals`. To be called before the program is imported. */
export function endOnSignals(): void {
  if (process.pid !== 1) return;
  for (const name of END_SIGNALS) process.on(name, () => process.exit(128 + constants.signals[name]));
}

/** From now on the signals are the program's own matter. */
export function takeEndSignals(onSignal: (name: EndSignal) => void): void {
  for (const name of END_SIGNALS) {
    process.removeAllListeners(name);
    process.on(name, onSignal);
  }
}
