import { type Logger, pino } from "pino";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type Log = Logger;

/** JSON lines on standard output, with the field names that controller-runtime uses. */
export function openLog(level: LogLevel): Log {
  return pino({ level, base: { controller: "quicproxy" } }, pino.destination({ dest: 1, sync: true }));
}
