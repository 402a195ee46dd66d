import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { insideNamespace } from "../../proxy/lab/namespace.ts";

export interface OpenOptions {
  family: 4 | 6;
  address: string;
  /** Default: any free one. */
  port?: number;
  reusePort?: boolean;
}

export interface SendOptions {
  socket: number;
  payload: Uint8Array;
  address: string;
  port: number;
}

export interface Received {
  socket: number;
  payload: Buffer;
  address: string;
  port: number;
}

export interface Load {
  /** They send one after the other; four octets with the number of the request follow the prefix. */
  flows: { socket: number; prefix: Uint8Array }[];
  intervalMs: number;
  address: string;
  port: number;
}

export interface LoadResult {
  sent: number;
  answered: number;
  /** Numbers of the requests without an answer. */
  unanswered: number[];
}

export type Order =
  | { name: "open"; options: OpenOptions }
  | { name: "close"; socket: number }
  | { name: "send"; options: SendOptions }
  | { name: "echo"; socket: number }
  | { name: "take"; count: number }
  | { name: "fetch"; url: string }
  | { name: "beginRequest"; port: number }
  | { name: "load"; load: Load }
  | { name: "loadState" }
  | { name: "stopLoad"; limitMs: number };

export interface Answer {
  id: number;
  value?: unknown;
  error?: string;
}

/** A process inside a namespace with UDP sockets of its own, an HTTP client and a paced load of requests. */
export class Peer {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #lastId = 0;

  constructor(namespace: string) {
    const [file, args] = insideNamespace(namespace, [process.execPath, join(import.meta.dirname, "peer_process.ts")]);
    this.#process = spawn(file, args, { stdio: ["ignore", "inherit", "inherit", "ipc"], serialization: "advanced" });
    this.#process.on("message", ({ id, value, error }: Answer) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(value as never);
      else waiting?.reject(new Error(error));
    });
    this.#process.once("exit", (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the peer in ${namespace} ended with ${code}`));
    });
  }

  #ask<Value>(order: Order): Promise<Value> {
    const id = ++this.#lastId;
    return new Promise<Value>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#process.send({ id, order });
    });
  }

  open(options: OpenOptions): Promise<{ id: number; port: number }> {
    return this.#ask({ name: "open", options });
  }

  close(socket: number): Promise<void> {
    return this.#ask({ name: "close", socket });
  }

  send(options: SendOptions): Promise<void> {
    return this.#ask({ name: "send", options });
  }

  /** From now on the socket sends back whatever it receives. */
  echo(socket: number): Promise<void> {
    return this.#ask({ name: "echo", socket });
  }

  /** The oldest `count` datagrams of all sockets, waited for up to 5 s; 0: all that are there. */
  take(count: number): Promise<Received[]> {
    return this.#ask({ name: "take", count });
  }

  fetch(url: string): Promise<{ status: number; body: string }> {
    return this.#ask({ name: "fetch", url });
  }

  /** Sends the first line of an HTTP request to a local port, and nothing more. */
  beginRequest(port: number): Promise<void> {
    return this.#ask({ name: "beginRequest", port });
  }

  startLoad(load: Load): Promise<void> {
    return this.#ask({ name: "load", load });
  }

  loadState(): Promise<LoadResult> {
    return this.#ask({ name: "loadState" });
  }

  /** Ends the load and waits for the answers that are still on their way, never longer than the limit. */
  stopLoad(limitMs = 30_000): Promise<LoadResult> {
    return this.#ask({ name: "stopLoad", limitMs });
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, "exit");
    this.#process.disconnect();
    await exited;
  }
}
