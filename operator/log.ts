import { type Logger, pino } from "pino";
import type { LogStream } from "../process/log_stream.ts";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type Log = Logger;

/** JSON lines, with the field names that controller-runtime uses. */
export function openLog(level: LogLevel, stream: LogStream): Log {
  const log = pino({ level, base: { controller: "quicproxy" } }, stream);
  stream.onLoss = (lost, reason) => log.warn({ lost, reason }, `${lost} lines of this log were lost: ${reason}`);
  return log;
}
