import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { whoamiFile } from "../../../proxy/lab/content.ts";
import { insideNamespace } from "../../../proxy/lab/namespace.ts";

const python = resolve(import.meta.dirname, "../../../build/venv/bin/python");

export interface HeldConnection {
  port: number;
  /** Who answered; null when nobody did. */
  body: string | null;
}

export interface Forgery {
  /** Whose it is. */
  connection: number;
  /** Where it seems to come from. */
  address: string;
  port: number;
  count: number;
  /** From the first to the last. */
  seconds: number;
  /** What the first asks for; null: it is a PING, as the others are. */
  path: string | null;
  /** Each carries a PATH_CHALLENGE as well. */
  challenge: boolean;
}

/** Connections of aioquic in one process, which can write other people's addresses into their datagrams. */
export class Forger {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  private constructor(process: ChildProcess) {
    this.#process = process;
    this.#reader = createInterface({ input: process.stdout! });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  static async start(namespace: string, target: { address: string; port: number }, count: number): Promise<Forger> {
    const program = [python, "-B", join(import.meta.dirname, "forger.py")];
    const options = ["--connections", String(count), "--path", `/${whoamiFile}`, target.address, String(target.port)];
    const [file, args] = insideNamespace(namespace, [...program, ...options]);
    const forger = new Forger(spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] }));
    await forger.#next();
    return forger;
  }

  /** Of the first connections, in their order. */
  ask(first: number): Promise<HeldConnection[]> {
    return this.#order({ do: "ask", first });
  }

  /** How many of the first connections have taken an ID that they had not used. */
  takeFreshIds(first: number): Promise<number> {
    return this.#order({ do: "fresh", first });
  }

  /** Resolves with the octets that were sent. */
  forge(forgery: Forgery): Promise<number> {
    return this.#order({ do: "forge", ...forgery });
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await exited;
    this.#reader.close();
  }

  async #order<Answer>(order: object): Promise<Answer> {
    this.#process.stdin!.write(`${JSON.stringify(order)}\n`);
    return JSON.parse(await this.#next()) as Answer;
  }

  async #next(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("forger.py ended");
    return value;
  }
}
