import { type DestinationStream, type Logger, pino } from "pino";
import type { LogStream } from "./log_stream.ts";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type Log = Logger;

export interface LogOptions {
  readonly level: LogLevel;
  /** Which program says it, under the field name that controller-runtime uses. */
  readonly controller: string;
  /** What lines pass before they reach the stream. Default: nothing. */
  readonly through?: (stream: LogStream) => DestinationStream;
}

/** Logs one JSON object per line, with levels as words and times as RFC 3339, and how many lines were lost. */
export function openLog({ level, controller, through = (stream) => stream }: LogOptions, stream: LogStream): Log {
  const formatters = { level: (label: string) => ({ level: label }) };
  const timestamp = pino.stdTimeFunctions.isoTime;
  const log = pino({ level, base: { controller }, formatters, timestamp }, through(stream));
  stream.onLoss = (lost, reason) => log.warn({ lost, reason }, `${lost} lines of this log were lost: ${reason}`);
  return log;
}
