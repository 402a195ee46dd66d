import type { ApiResponse } from "./transport.ts";

/** An answer of the API server that is no success. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** HTTP status. */
  readonly status: number;
  /** The API server's word for it: NotFound, Conflict, Expired, Forbidden, ... */
  readonly reason: string;
  /** How long it asks to wait. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, { status, reason, retryAfterMs }: ApiErrorFields) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

interface ApiErrorFields {
  readonly status: number;
  readonly reason: string;
  readonly retryAfterMs?: number | undefined;
}

export const GONE = 410;
const EXCERPT_MAX = 300;

/** What an answer of another status than 2xx says. */
export function errorOf({ status, headers }: ApiResponse, text: string, what: string): ApiError {
  const seconds = Number(headers["retry-after"]);
  const retryAfterMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
  const { message, reason } = statusOf(text);
  return new ApiError(`${what}: ${status} ${message}`, { status, reason, retryAfterMs });
}

/** An ERROR event in a watch carries a Status object. */
export function watchError(object: { code?: number; reason?: string; message?: string }): ApiError {
  const { code = 500, reason = "", message = "the watch failed" } = object;
  return new ApiError(`watch: ${code} ${message}`, { status: code, reason });
}

export function hasStatus(error: unknown, ...statuses: readonly number[]): boolean {
  return error instanceof ApiError && statuses.includes(error.status);
}

function statusOf(text: string): { message: string; reason: string } {
  try {
    const { message, reason } = JSON.parse(text) as { message?: unknown; reason?: unknown };
    return { message: String(message ?? ""), reason: String(reason ?? "") };
  } catch {
    return { message: text.slice(0, EXCERPT_MAX), reason: "" };
  }
}
