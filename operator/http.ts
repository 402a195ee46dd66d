import { createServer, type Server } from "node:http";
import type { Registry } from "prom-client";
import { boundConnections } from "../process/http_connections.ts";

export interface Health {
  /** Why the process should be restarted, or undefined. */
  unhealthy(): string | undefined;
  /** Why it cannot do its work now, or undefined. */
  notReady(): string | undefined;
}

export interface HttpAddress {
  /** Undefined: every address of both families, or of IPv4 where there is no IPv6. */
  readonly address: string | undefined;
  readonly port: number;
}

/** Serves /metrics, /healthz and /readyz. Rejects where the address cannot be had. */
export async function serveHttp({ address, port }: HttpAddress, registry: Registry, health: Health): Promise<Server> {
  const answers: Record<string, () => Promise<[status: number, type: string, body: string]>> = {
    "/metrics": async () => [200, registry.contentType, await registry.metrics()],
    "/healthz": async () => verdict(health.unhealthy(), 500),
    "/readyz": async () => verdict(health.notReady(), 503),
  };
  const server = createServer(async (request, response) => {
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    const answer = Object.hasOwn(answers, path) ? answers[path] : undefined;
    const [status, type, body] = (await answer?.().catch(failure)) ?? [404, "text/plain", "not found\n"];
    response.writeHead(status, { "content-type": type, "cache-control": "no-store" }).end(body);
  });
  boundConnections(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: address, port }, resolve);
  });
  return server;
}

function verdict(problem: string | undefined, status: number): [number, string, string] {
  return problem === undefined ? [200, "text/plain", "ok\n"] : [status, "text/plain", `${problem}\n`];
}

function failure(error: unknown): [number, string, string] {
  return [500, "text/plain", `${error instanceof Error ? error.message : String(error)}\n`];
}

const ADDRESS = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]*)):([0-9]{1,5})$/;
const PORT_MAX = 65_535;

/** `0.0.0.0:8080`, `[::]:8080`, `:8080`; undefined where the text is none. */
export function parseAddress(text: string): HttpAddress | undefined {
  const match = ADDRESS.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > PORT_MAX) return undefined;
  return { address: match[1] ?? (match[2] || undefined), port };
}
