import { constants } from "node:os";

/*
 * The kernel drops a signal to process 1 of a container when the process has no handler for it (pid_namespaces(7)). A pod
 * that is deleted while its program is being loaded would live until SIGKILL, 30 s by default, so a handler has to be
 * there before anything large is imported.
 */

const END_SIGNALS = ["SIGTERM", "SIGINT"] as const;

type EndSignal = (typeof END_SIGNALS)[number];

/** As process 1: ends at once on either signal, until `stopOnSignals`. To be called before the program is imported. */
export function endOnSignals(): void {
  if (process.pid !== 1) return;
  for (const name of END_SIGNALS) process.on(name, () => process.exit(128 + constants.signals[name]));
}

interface StopOptions {
  log: { info(fields: object, message: string): void };
  stop: () => Promise<void>;
  /** A stop that takes longer is cut off, with exit code 1. Default: never. */
  withinMs?: number;
}

/**
 * From now on a signal stops the program in order and ends it with exit code 0; a second one ends it at once, with 1.
 * Returns whether it is stopping.
 */
export function stopOnSignals({ log, stop, withinMs }: StopOptions): () => boolean {
  let stopping = false;
  const onSignal = async (signal: EndSignal): Promise<void> => {
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ signal }, `stopping on ${signal}`);
    if (withinMs !== undefined) setTimeout(() => process.exit(1), withinMs).unref();
    await stop();
    log.info({}, "stopped");
    process.exit(0);
  };
  for (const name of END_SIGNALS) {
    process.removeAllListeners(name);
    process.on(name, onSignal);
  }
  return () => stopping;
}
