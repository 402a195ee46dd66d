import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, ListenOptions } from "node:net";
import { formatAddress, type HostPort } from "./host_port.ts";
import { boundConnections } from "./http_connections.ts";

export interface HttpAnswer {
  status: number;
  contentType: string;
  body: string;
}

/** Path -> what answers it. */
export type Routes = Record<string, () => HttpAnswer | Promise<HttpAnswer>>;

export interface HttpServer {
  /** As asked, with what the kernel chose where no address or port 0 was asked. */
  readonly address: HostPort;
  /** Accepts no more connections; ends those at rest now and the others after their answer, but soon. */
  close(): Promise<void>;
}

export class HttpListenError extends Error {
  override readonly name = "HttpListenError";
}

/** How long a scrape may still take after close. */
const LAST_ANSWER_MS = 1000;
const TEXT = "text/plain; charset=utf-8";

export function answerText(status: number, text: string): HttpAnswer {
  return { status, contentType: TEXT, body: `${text}\n` };
}

export function answerJson(value: unknown): HttpAnswer {
  return { status: 200, contentType: "application/json; charset=utf-8", body: `${JSON.stringify(value)}\n` };
}

/** What a probe is told. `reason`: why it fails; undefined: it does not. */
export function answerCheck(reason: string | undefined, failureStatus: number): HttpAnswer {
  return reason === undefined ? answerText(200, "ok") : answerText(failureStatus, reason);
}

async function answer(request: IncomingMessage, routes: Routes): Promise<HttpAnswer> {
  const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (!route) return answerText(404, `not found; there are: ${Object.keys(routes).join(" ")}`);
  if (request.method !== "GET" && request.method !== "HEAD") return answerText(405, "only GET and HEAD");
  try {
    return await route();
  } catch (error) {
    return answerText(500, error instanceof Error ? error.message : String(error));
  }
}

function send(response: ServerResponse, { status, contentType, body }: HttpAnswer, method: string | undefined): void {
  response.writeHead(status, {
    "content-type": contentType,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    ...(status === 405 ? { allow: "GET, HEAD" } : {}),
  });
  response.end(method === "HEAD" ? undefined : body);
}

function createListener(routes: Routes): RequestListener {
  return async (request, response) => {
    request.resume();
    send(response, await answer(request, routes), request.method);
  };
}

function explainListenError(error: NodeJS.ErrnoException, { address, port }: HostPort): HttpListenError {
  const where = formatAddress(address, port);
  const reasons: Record<string, string> = {
    EADDRINUSE: `another process has this TCP port; see which one with: ss -tlpn 'sport = :${port}'`,
    EACCES: "this user may not bind this TCP port; choose a port from 1024 on",
    EADDRNOTAVAIL: "the address is not on this host; see `ip -brief address`",
  };
  const reason = reasons[error.code ?? ""] ?? error.message;
  return new HttpListenError(`metrics and health on ${where}: ${reason}`, { cause: error });
}

async function listen(routes: Routes, options: ListenOptions): Promise<Server> {
  const server = createServer(createListener(routes));
  boundConnections(server);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ ...options, exclusive: true }, resolve);
  });
  return server;
}

function close(server: Server): Promise<void> {
  return new Promise<void>((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), LAST_ANSWER_MS);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}

/** Starts the server for metrics and health. Throws HttpListenError with cause and remedy in its message. */
export async function listenHttp(address: HostPort, routes: Routes): Promise<HttpServer> {
  const server = await listen(routes, { host: address.address, port: address.port }).catch((error) => {
    throw explainListenError(error, address);
  });
  const bound = server.address() as AddressInfo;
  return { address: { address: address.address ?? bound.address, port: bound.port }, close: () => close(server) };
}

/** The same on a socket of the file system, whose path must be free. Throws HttpListenError. */
export async function listenHttpAt(path: string, routes: Routes): Promise<Pick<HttpServer, "close">> {
  const server = await listen(routes, { path }).catch((cause: NodeJS.ErrnoException) => {
    throw new HttpListenError(`health on ${path}: ${cause.message}`, { cause });
  });
  return { close: () => close(server) };
}
