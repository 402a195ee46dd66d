import { mkdirSync } from "node:fs";
import {
  createNamespace,
  ipInside,
  labDirectory,
  linkNamespaces,
  nextLabName,
  removeLab,
  removeStaleLabs,
} from "../../../proxy/lab/namespace.ts";
import { inside } from "../../net/inside.ts";
import type { ProxyProcess } from "../../net/proxy.ts";
import { dropProgram } from "./bpf.ts";
import { ChangedFile } from "./machine.ts";
import { type Options, Tool } from "./tool.ts";

export const HOST = "10.79.1.1";
export const CLIENT = "10.79.1.2";
export const PORT = 4433;
export const BACKEND_PORT = 5000;

export const HOST_V6 = "fd79:1::1";

let isClean = false;

/** The host's end of the link; the client's is "access". */
export const WIRE = "wire";

/**
 * client 10.79.1.2 and fd79:1::2 <-> 10.79.1.1 and fd79:1::1 host, each a namespace of its own. The host is what the doctor looks at. Whatever is
 * started or changed ends with the stage, in the reverse order.
 */
export class Stage {
  readonly name = nextLabName();
  readonly client = `${this.name}-client`;
  readonly host = `${this.name}-host`;
  /** Where a scene runs one on the host: who knows its own hand-offs. */
  proxy: ProxyProcess | undefined;
  readonly #undo: (() => unknown)[] = [];

  constructor() {
    // What a run that was killed has left, once: all of a file's stages are this process's.
    if (!isClean) removeStaleLabs();
    isClean = true;
    try {
      createNamespace(this.client);
      createNamespace(this.host);
      linkNamespaces(
        { namespace: this.client, device: "access", addresses: [`${CLIENT}/24`, "fd79:1::2/64"] },
        { namespace: this.host, device: WIRE, addresses: [`${HOST}/24`, `${HOST_V6}/64`] },
      );
      mkdirSync(this.directory, { recursive: true });
    } catch (error) {
      removeLab(this.name);
      throw error;
    }
  }

  /** Sockets of the host's. */
  receive(options: Options = {}): Promise<Tool> {
    return this.#tool(this.host, "udp_receive.py", { bind: HOST, port: PORT, ...options });
  }

  /** Datagrams from the client to the host. */
  send(options: Options = {}): Promise<Tool> {
    return this.#tool(this.client, "udp_send.py", { to: HOST, port: PORT, ...options });
  }

  /** A server in the client's namespace, which the host may take for a backend. */
  serve(options: Options = {}): Promise<Tool> {
    return this.#tool(this.client, "udp_receive.py", { bind: CLIENT, port: BACKEND_PORT, ...options });
  }

  /** QUIC clients that fill a table of flows, each confirmed by an answer, and strangers that go on coming. */
  fillFlows(options: Options = {}): Promise<Tool> {
    return this.#tool(this.client, "quic_flows.py", { to: HOST, port: PORT, ...options });
  }

  /** The same from the host, to whom the options say. */
  sendOut(options: Options & { to: string }): Promise<Tool> {
    return this.#tool(this.host, "udp_send.py", { port: PORT, ...options });
  }

  /** Packets that no socket would send, from the client to the host. */
  sendRaw(options: Options = {}): Promise<Tool> {
    return this.#tool(this.client, "raw_send.py", { source: CLIENT, to: HOST, port: PORT, ...options });
  }

  async #tool(namespace: string, name: string, options: Options): Promise<Tool> {
    const tool = await Tool.start(namespace, name, options);
    this.later(() => tool.stop());
    return tool;
  }

  /** A program inside the host, to its end. */
  onHost(...command: readonly string[]): string {
    return inside(this.host, command);
  }

  onClient(...command: readonly string[]): string {
    return inside(this.client, command);
  }

  /** `ip` commands inside the host. */
  ipOnHost(...lines: readonly string[]): void {
    ipInside(this.host, lines);
  }

  /** Other words in a file below /proc/sys of the machine, until the stage ends. */
  async change(file: string, words: string): Promise<void> {
    const changed = await ChangedFile.change(file, words);
    this.later(() => changed.restore());
  }

  /** An object with programs that drop datagrams to PORT: sections "xdp" and "tc". */
  bpf(): string {
    return dropProgram(this.directory);
  }

  /** Where programs may keep files; goes with the stage. */
  get directory(): string {
    return labDirectory(this.name);
  }

  /** Done when the stage ends; what was asked for last is done first. */
  later(undo: () => unknown): void {
    this.#undo.push(undo);
  }

  /** Everything is undone, also when a part of it fails: the first failure is thrown in the end. */
  async end(): Promise<void> {
    const faults: unknown[] = [];
    for (const undo of [...this.#undo.splice(0).reverse(), () => removeLab(this.name)]) {
      try {
        await undo();
      } catch (error) {
        faults.push(error);
      }
    }
    if (faults.length > 0) throw faults[0];
  }
}
