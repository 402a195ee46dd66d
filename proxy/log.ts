import { type DestinationStream, type Logger, pino } from "pino";
import pretty from "pino-pretty";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export const LOG_FORMATS = ["auto", "json", "pretty"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFormat = (typeof LOG_FORMATS)[number];
export type Log = Logger;

export interface LogOptions {
  level: LogLevel;
  format: LogFormat;
  /** File descriptor; standard output by default. */
  destination?: number;
  isTerminal?: boolean;
}

const STDOUT_FD = 1;

/** Synchronous on purpose: no line is lost when the process ends, and the packet path never logs. */
function openStream(options: LogOptions): DestinationStream {
  const { destination = STDOUT_FD, isTerminal = process.stdout.isTTY === true } = options;
  const isPretty = options.format === "pretty" || (options.format === "auto" && isTerminal);
  if (!isPretty) return pino.destination({ dest: destination, sync: true });
  return pretty({
    destination,
    sync: true,
    colorize: isTerminal,
    translateTime: "SYS:HH:MM:ss.l",
    hideObject: true,
  });
}

/** Logs as one JSON object per line, or as text for people on a terminal. */
export function openLog(options: LogOptions): Log {
  return pino({ level: options.level, base: { controller: "proxy" } }, openStream(options));
}
