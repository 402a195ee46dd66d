import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { ApiClient } from "../../../kube/client.ts";
import { httpTransport } from "../../../kube/transport.ts";

export interface FakeObject {
  metadata: { name: string; namespace: string; resourceVersion?: string; uid?: string };
  [key: string]: unknown;
}

/** What to do with the next request of a kind instead of answering it. */
export type Fault = { status: number; retryAfter?: number } | "reset" | "silence" | "garbage";

/** An API server with one collection, over real HTTP: list, pages, watch with bookmarks, versions, and faults on order. */
export class FakeApi {
  readonly faults: { list: Fault[]; watch: Fault[] } = { list: [], watch: [] };
  /** Query of each list and watch, in order. */
  readonly lists: URLSearchParams[] = [];
  readonly watches: URLSearchParams[] = [];
  pageSize = 500;
  readonly #objects = new Map<string, FakeObject>();
  readonly #streams = new Set<ServerResponse>();
  readonly #log: { version: number; line: string }[] = [];
  #version = 10;
  #oldest = 0;
  #server: Server | undefined;

  async start(): Promise<ApiClient> {
    this.#server = createServer((request, response) => this.#answer(request, response));
    await new Promise<void>((resolve) => void this.#server?.listen(0, "127.0.0.1", resolve));
    const { port } = this.#server.address() as AddressInfo;
    return new ApiClient(httpTransport({ server: `http://127.0.0.1:${port}`, credentials: async () => ({}) }));
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => void this.#server?.close(resolve));
  }

  get openWatches(): number {
    return this.#streams.size;
  }

  set(name: string, value: unknown): void {
    const type = this.#objects.has(name) ? "MODIFIED" : "ADDED";
    const object = { metadata: { name, namespace: "media", resourceVersion: String(++this.#version) }, value };
    this.#objects.set(name, object);
    this.#emit({ type, object });
  }

  delete(name: string): void {
    const object = this.#objects.get(name);
    if (object === undefined) return;
    this.#objects.delete(name);
    this.#emit({
      type: "DELETED",
      object: { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } },
    });
  }

  /** Changes without telling any watch: what a client that is away misses. */
  deleteInSilence(name: string): void {
    this.#objects.delete(name);
    this.#version++;
  }

  bookmark(): void {
    const object = { metadata: { resourceVersion: String(this.#version) } };
    for (const stream of this.#streams) stream.write(`${JSON.stringify({ type: "BOOKMARK", object })}\n`);
  }

  /** Forgets old versions: a watch from before gets 410. */
  compact(): void {
    this.#oldest = this.#version;
    this.#log.length = 0;
  }

  sendRaw(text: string): void {
    for (const stream of this.#streams) stream.write(text);
  }

  endWatches(how: "end" | "reset"): void {
    for (const stream of this.#streams) {
      if (how === "end") stream.end();
      else stream.destroy();
    }
    this.#streams.clear();
  }

  #emit(event: { type: string; object: FakeObject }): void {
    const line = `${JSON.stringify(event)}\n`;
    this.#log.push({ version: this.#version, line });
    for (const stream of this.#streams) stream.write(line);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const query = new URL(request.url ?? "/", "http://fake").searchParams;
    const isWatch = query.get("watch") === "1";
    (isWatch ? this.watches : this.lists).push(query);
    const fault = this.faults[isWatch ? "watch" : "list"].shift();
    if (fault !== undefined) fail(fault, response);
    else if (isWatch) this.#watch(query, response);
    else this.#list(query, response);
  }

  #list(query: URLSearchParams, response: ServerResponse): void {
    const all = [...this.#objects.values()];
    const from = Number(query.get("continue") ?? 0);
    const items = all.slice(from, from + this.pageSize);
    const next = from + this.pageSize < all.length ? { continue: String(from + this.pageSize) } : {};
    response.end(JSON.stringify({ metadata: { resourceVersion: String(this.#version), ...next }, items }));
  }

  #watch(query: URLSearchParams, response: ServerResponse): void {
    const since = Number(query.get("resourceVersion"));
    if (since < this.#oldest) {
      const status = { code: 410, reason: "Expired", message: "too old resource version" };
      response.end(`${JSON.stringify({ type: "ERROR", object: status })}\n`);
      return;
    }
    response.writeHead(200);
    response.flushHeaders();
    for (const { version, line } of this.#log) if (version > since) response.write(line);
    this.#streams.add(response);
    response.on("close", () => this.#streams.delete(response));
  }
}

function fail(fault: Fault, response: ServerResponse): void {
  if (fault === "reset") response.destroy();
  else if (fault === "silence") response.flushHeaders();
  else if (fault === "garbage") response.end("{not json\n");
  else {
    const headers = fault.retryAfter === undefined ? {} : { "retry-after": String(fault.retryAfter) };
    response.writeHead(fault.status, headers).end(JSON.stringify({ reason: "Fault", message: "on order" }));
  }
}

/** Waits until something holds. */
export async function until(holds: () => boolean, what = "the condition", withinMs = 30_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
