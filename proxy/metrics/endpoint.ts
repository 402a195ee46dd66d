import { formatAddress, type HostPort } from "../../process/host_port.ts";
import { type HttpServer, listenHttp, type Routes } from "../../process/http_server.ts";
import type { Log } from "../../process/log.ts";

/** How long until what could not be had is tried again. */
const RETRY_MS = 10_000;

function isSameAddress(a: HostPort | undefined, b: HostPort | undefined): boolean {
  return a?.address === b?.address && a?.port === b?.port;
}

/** For the status of a node, which people read far from the host. */
function describe(error: Error, { address, port }: HostPort): string {
  const { code } = (error.cause ?? {}) as NodeJS.ErrnoException;
  if (code !== "EADDRINUSE") return `metrics: ${error.message}`;
  return `metrics: TCP ${formatAddress(address, port)} is taken by another program; set spec.metrics.port`;
}

/**
 * The server for metrics and health, which follows the address that is asked for. Nothing waits for it: an address that
 * cannot be had is said and tried again, and what was served before is served where it was.
 */
export class HttpEndpoint {
  readonly #routes: Routes;
  readonly #log: Log;
  #queue: Promise<void> = Promise.resolve();
  #asked: HostPort | undefined;
  /** What the present server was asked to listen on. */
  #served: HostPort | undefined;
  #server: HttpServer | undefined;
  #problem: string | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  #isNew = true;

  constructor(routes: Routes, log: Log) {
    this.#routes = routes;
    this.#log = log;
  }

  /** Where it answers; undefined for nowhere. */
  get address(): HostPort | undefined {
    return this.#server?.address;
  }

  /** Why it does not answer where it should, or undefined. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Moves to an address, undefined for nowhere, now or as soon as it can be had. Never throws. */
  follow(asked: HostPort | undefined): Promise<void> {
    this.#asked = asked;
    this.#queue = this.#queue.then(() => this.#advance());
    return this.#queue;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#queue;
    clearTimeout(this.#retry);
    await this.#server?.close();
  }

  async #advance(): Promise<void> {
    clearTimeout(this.#retry);
    if (this.#closed) return;
    const asked = this.#asked;
    try {
      if (!isSameAddress(asked, this.#served)) await this.#move(asked);
      this.#problem = undefined;
      this.#sayWhere(asked);
    } catch (error) {
      this.#fail(error as Error, asked!);
    }
  }

  /** Beside the present server, so that there is no gap; the same port of another address must be free first. */
  async #move(asked: HostPort | undefined): Promise<void> {
    const before = { server: this.#server, served: this.#served };
    const closedFirst = asked !== undefined && asked.port === before.served?.port;
    if (closedFirst) void before.server?.close();
    try {
      this.#server = asked && (await listenHttp(asked, this.#routes));
      this.#served = asked;
      this.#isNew = true;
    } catch (error) {
      if (closedFirst) this.#server = await listenHttp(before.served!, this.#routes).catch(() => undefined);
      if (this.#server === undefined) this.#served = undefined;
      throw error;
    }
    if (!closedFirst) void before.server?.close();
  }

  #sayWhere(asked: HostPort | undefined): void {
    if (!this.#isNew) return;
    this.#isNew = false;
    const { address } = this;
    if (address !== undefined) {
      this.#log.info({ ...address }, `metrics and health on http://${formatAddress(address.address, address.port)}`);
    }
    if (asked === undefined) this.#log.info("metrics and health are off");
  }

  #fail(error: Error, asked: HostPort): void {
    const problem = describe(error, asked);
    if (problem !== this.#problem) {
      this.#log.error({ err: error }, `${error.message}; forwarding goes on, and it is tried again`);
    }
    this.#problem = problem;
    this.#retry = setTimeout(() => void this.follow(this.#asked), RETRY_MS);
    this.#retry.unref();
  }
}
