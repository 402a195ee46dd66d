import { constants } from "node:os";

/*
 * What signals mean to a program, from the first line of its code to its end. Node.js gives every signal that it inherits
 * as ignored its default back, and the default of most ends the process, so nothing but a handler keeps it alive, and one
 * has to be there before anything large is imported. To process 1 of a container the kernel drops a signal without a
 * handler (pid_namespaces(7)): a pod that is deleted while its program is loaded would live until SIGKILL.
 */

const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;

/**
 * Without a meaning here, and by default the end of a process. Left as they are: signals of faults, SIGQUIT and SIGXCPU,
 * whose default is a core dump that somebody wants, and SIGPROF, which profilers take.
 */
const MEANINGLESS = ["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGIO", "SIGPWR", "SIGSTKFLT"] as const;

const EXIT_STOPPED = 0;
const EXIT_CUT_OFF = 1;

/** A command that is over soon: as process 1, ends at once on a stop signal, as others do by default. */
export function endOnSignals(): void {
  if (process.pid !== 1) return;
  for (const name of STOP_SIGNALS) process.on(name, () => process.exit(128 + constants.signals[name]));
}

const ignore = (): void => {};

/*
 * What signals do changes, the listeners never do: Node.js gives up a signal with its last listener, and one that came
 * while the program was busy, and waits to be told, would be lost with it.
 */
let actOnStop: (signal: NodeJS.Signals) => void = () => process.exit(EXIT_STOPPED);
let actOnHangup: (() => void) | undefined;
let hangupWaits = false;

const onStop = (signal: NodeJS.Signals): void => actOnStop(signal);

function hangUp(): void {
  if (actOnHangup === undefined) hangupWaits = true;
  else actOnHangup();
}

function listen(name: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): void {
  if (!process.listeners(name).includes(listener)) process.on(name, listener);
}

/**
 * A program that goes on until it is stopped, while it starts: a stop signal ends it at once with exit code 0, which
 * closes what is open by then; SIGHUP waits for `onHangup`; signals without a meaning do nothing, now and later.
 */
export function holdSignals(): void {
  for (const name of STOP_SIGNALS) listen(name, onStop);
  for (const name of MEANINGLESS) listen(name, ignore);
  listen("SIGHUP", hangUp);
}

/**
 * From now on SIGHUP does `act`, at once where one came before. Returns what ends that: SIGHUP has no effect then, for its
 * default would end the process in the midst of its stop.
 */
export function onHangup(act: () => void): () => void {
  actOnHangup = act;
  listen("SIGHUP", hangUp);
  if (hangupWaits) act();
  hangupWaits = false;
  return () => {
    actOnHangup = ignore;
  };
}

interface StopOptions {
  log: { info(fields: object, message: string): void };
  stop: () => Promise<void>;
  /** The last that is done. */
  flushLog?: () => Promise<void>;
  /** A stop that takes longer is cut off, with exit code 1. Default: never. */
  withinMs?: number;
}

/**
 * From now on a stop signal stops the program in order and ends it with exit code 0; a second one ends it at once, with 1.
 * Returns whether it is stopping.
 */
export function stopOnSignals({ log, stop, flushLog, withinMs }: StopOptions): () => boolean {
  let stopping = false;
  actOnStop = async (signal) => {
    if (stopping) process.exit(EXIT_CUT_OFF);
    stopping = true;
    log.info({ signal }, `stopping on ${signal}`);
    if (withinMs !== undefined) setTimeout(() => process.exit(EXIT_CUT_OFF), withinMs).unref();
    await stop();
    log.info({}, "stopped");
    await flushLog?.();
    process.exit(EXIT_STOPPED);
  };
  for (const name of STOP_SIGNALS) listen(name, onStop);
  return () => stopping;
}
