import { prettyFactory } from "pino-pretty";
import type { LogOptions } from "../process/log.ts";

export const LOG_FORMATS = ["auto", "json", "pretty"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export interface FormatOptions {
  readonly format: LogFormat;
  readonly isTerminal: boolean;
}

/** Lines as they are, or as text for people on a terminal. */
export function formatted({ format, isTerminal }: FormatOptions): Required<LogOptions>["through"] {
  return (stream) => {
    if (format === "json" || (format === "auto" && !isTerminal)) return stream;
    const readable = prettyFactory({ colorize: isTerminal, translateTime: "SYS:HH:MM:ss.l", hideObject: true });
    return { write: (line) => stream.write(readable(line)) };
  };
}
