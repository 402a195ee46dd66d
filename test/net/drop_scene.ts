import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { type Agreement, compareWitness } from "../../host/path/agreement.ts";
import { measure } from "../../host/path/measure.ts";
import type { Measures } from "../../host/path/measures.ts";
import { namespaceInode } from "../../host/reading/live/namespace.ts";
import { liveWatchSystem } from "../../host/reading/live/system.ts";
import { DropWatch } from "../../host/reading/live/watch_drops.ts";
import { parseReading } from "../../host/reading/parse.ts";
import { readHost } from "../../host/reading/read.ts";
import type { Witness } from "../../host/reading/witness.ts";
import {
  createNamespace,
  insideNamespace,
  ipInside,
  linkNamespaces,
  nextLabName,
  removeLab,
} from "../../proxy/lab/namespace.ts";
import { inside, script } from "./inside.ts";

/* A sender and a receiver in namespaces of their own, joined by a veth pair, and both witnesses of what the receiver drops. */

export const PORT = 4433;
export const ADDRESSES = {
  sender: "10.79.7.2",
  receiver: "10.79.7.1",
  sender6: "fd79:7::2",
  receiver6: "fd79:7::1",
} as const;

export interface Window {
  readonly measures: Measures;
  readonly witness: Witness;
  readonly agreements: readonly Agreement[];
}

export class Listener {
  readonly cookie: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, cookie: string) {
    this.#child = child;
    this.#lines = lines;
    this.cookie = cookie;
    this.pid = child.pid!;
  }

  static async open(namespace: string, address: string, words: readonly string[]): Promise<Listener> {
    const [program, args] = insideNamespace(
      namespace,
      script("drop_udp.py", "listen", address, String(PORT), ...words),
    );
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
    const { value } = await lines.next();
    return new Listener(child, lines, String(value).split(" ")[1]!);
  }

  /** How many datagrams it has read. */
  async close(): Promise<number> {
    this.#child.stdin!.end();
    const { value } = await this.#lines.next();
    if (this.#child.exitCode === null) await once(this.#child, "exit");
    return Number(String(value).split(" ")[1]);
  }
}

export class DropScene {
  readonly #lab = nextLabName();
  readonly sender = `${this.#lab}-sender`;
  readonly receiver = `${this.#lab}-receiver`;
  readonly #listeners: Listener[] = [];

  constructor() {
    createNamespace(this.sender);
    createNamespace(this.receiver);
    linkNamespaces(
      { namespace: this.sender, device: "out", addresses: [`${ADDRESSES.sender}/24`, `${ADDRESSES.sender6}/64`] },
      { namespace: this.receiver, device: "in", addresses: [`${ADDRESSES.receiver}/24`, `${ADDRESSES.receiver6}/64`] },
    );
    // What asks for neighbours is over before anything is counted.
    for (const address of [ADDRESSES.receiver, ADDRESSES.receiver6]) this.send(address, 1);
  }

  get namespace(): number {
    return namespaceInode(this.receiver);
  }

  async listen(words: readonly string[], address: string = ADDRESSES.receiver): Promise<Listener> {
    const listener = await Listener.open(this.receiver, address, words);
    this.#listeners.push(listener);
    return listener;
  }

  send(address: string, count: number, words: readonly string[] = [], from = this.sender): void {
    inside(from, script("drop_udp.py", "send", address, String(PORT), String(count), ...words));
  }

  run(...command: readonly string[]): void {
    inside(this.receiver, command);
  }

  ip(...lines: readonly string[]): void {
    ipInside(this.receiver, lines);
  }

  watch(): DropWatch {
    return new DropWatch({ namespace: this.namespace, ports: [PORT] }, liveWatchSystem());
  }

  /** Both readings and the witness around what `act` does. */
  async window(act: () => void | Promise<void>): Promise<Window> {
    const read = () => parseReading(readHost({ subject: { port: PORT }, namespace: this.receiver }));
    read();
    const watch = this.watch();
    const before = read();
    await act();
    watch.stop();
    const after = read();
    const witness = watch.end();
    const measures = measure({ subject: { port: PORT }, before, between: [], after });
    return { measures, witness, agreements: compareWitness(measures, witness) };
  }

  async closeListeners(): Promise<void> {
    for (const listener of this.#listeners.splice(0)) await listener.close();
  }

  async remove(): Promise<void> {
    await this.closeListeners();
    removeLab(this.#lab);
  }
}
