import { type DestinationStream, type Logger, pino } from "pino";
import { prettyFactory } from "pino-pretty";
import type { LogStream } from "../process/log_stream.ts";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export const LOG_FORMATS = ["auto", "json", "pretty"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFormat = (typeof LOG_FORMATS)[number];
export type Log = Logger;

export interface LogOptions {
  level: LogLevel;
  format: LogFormat;
  isTerminal: boolean;
}

function destinationOf({ format, isTerminal }: LogOptions, stream: LogStream): DestinationStream {
  if (format === "json" || (format === "auto" && !isTerminal)) return stream;
  const readable = prettyFactory({ colorize: isTerminal, translateTime: "SYS:HH:MM:ss.l", hideObject: true });
  return { write: (line) => stream.write(readable(line)) };
}

/** Logs as one JSON object per line, or as text for people on a terminal. */
export function openLog(options: LogOptions, stream: LogStream): Log {
  const log = pino({ level: options.level, base: { controller: "proxy" } }, destinationOf(options, stream));
  stream.onLoss = (lost, reason) => log.warn({ lost, reason }, `${lost} lines of this log were lost: ${reason}`);
  return log;
}
