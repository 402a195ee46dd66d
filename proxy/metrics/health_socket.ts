import { rm } from "node:fs/promises";
import { answerCheck, type HttpServer, listenHttpAt } from "../../process/http_server.ts";

/** Whom the health of the process is asked of. */
export interface HealthView {
  /** Why the process should be restarted, or undefined. */
  findUnhealthy(): string | undefined;
  /** Why no new traffic should come here, or undefined. */
  findNotReady(): string | undefined;
}

export type HealthServer = Pick<HttpServer, "close">;

/** A view of what does not run yet. */
export function viewOnceStarted(view: () => HealthView | undefined): HealthView {
  return {
    findUnhealthy: () => view()?.findUnhealthy(),
    findNotReady: () => {
      const started = view();
      return started === undefined ? "the proxy is starting" : started.findNotReady();
    },
  };
}

/**
 * Answers /healthz and /readyz on a socket of the file system: whether a proxy is well depends on no port of the host that
 * another program may have, and no network reaches it. Throws HttpListenError.
 */
export async function serveHealth(path: string, view: HealthView): Promise<HealthServer> {
  // A process that was killed leaves its socket behind, in a volume that outlives it.
  await rm(path, { force: true });
  return listenHttpAt(path, {
    "/healthz": () => answerCheck(view.findUnhealthy(), 500),
    "/readyz": () => answerCheck(view.findNotReady(), 503),
  });
}
