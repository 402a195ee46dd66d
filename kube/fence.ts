import type { SendRequest } from "./transport.ts";

/** Leadership was lost, so a write was not sent. */
export class FencedError extends Error {
  override readonly name = "FencedError";
}

/**
 * Sends no request that writes once leadership is lost. Asked before each, so that work in hand ends at its next write and
 * not with its last.
 */
export function fenced(send: SendRequest, isLeading: () => boolean): SendRequest {
  return async (request) => {
    if (request.method !== "GET" && !isLeading()) {
      throw new FencedError(`${request.method} ${request.path} is not sent: the lease is not held any more`);
    }
    return send(request);
  };
}
