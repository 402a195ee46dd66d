import type { HostPort } from "../../process/host_port.ts";
import { type HttpServer, listenHttp, type Routes } from "../../process/http_server.ts";

/** A prepared move: exactly one of the two ends it. */
export interface Move {
  /** From now on only the new address answers. */
  commit(): void;
  /** Only the old address answers, as before. */
  abandon(): Promise<void>;
}

function isSameAddress(a: HostPort | undefined, b: HostPort | undefined): boolean {
  return a?.address === b?.address && a?.port === b?.port;
}

/** The server for metrics and health, which a reload may move to another address. */
export class HttpEndpoint {
  readonly #routes: Routes;
  #asked: HostPort | undefined;
  #server: HttpServer | undefined;

  constructor(routes: Routes) {
    this.#routes = routes;
  }

  /** Where it answers; undefined for nowhere. */
  get address(): HostPort | undefined {
    return this.#server?.address;
  }

  /**
   * Listens on `asked` beside the present server, so that there is no gap; on the same port of another address the
   * old one must close first. `asked` undefined: nowhere. Throws HttpListenError; the old server answers then.
   */
  async prepareMove(asked: HostPort | undefined): Promise<Move> {
    if (isSameAddress(asked, this.#asked)) return { commit: () => {}, abandon: async () => {} };
    const closedFirst = asked !== undefined && asked.port === this.#asked?.port;
    if (closedFirst) void this.#server?.close();
    let next: HttpServer | undefined;
    try {
      next = asked && (await listenHttp(asked, this.#routes));
    } catch (error) {
      if (closedFirst) await this.#listenAgain();
      throw error;
    }
    return {
      commit: () => {
        if (!closedFirst) void this.#server?.close();
        this.#server = next;
        this.#asked = asked;
      },
      abandon: async () => {
        void next?.close();
        if (closedFirst) await this.#listenAgain();
      },
    };
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  async #listenAgain(): Promise<void> {
    this.#server = this.#asked && (await listenHttp(this.#asked, this.#routes));
  }
}
