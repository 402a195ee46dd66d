import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Cluster } from "../../cluster/cluster.ts";

/** A label that began to come back from an address. */
export interface Change {
  address: string;
  label: string;
  /** Milliseconds since 1970. */
  at: number;
}

/** One datagram that somebody who goes on asking sent. */
export interface Asked {
  /** Of one datagram to each address. */
  round: number;
  address: string;
  answered: boolean;
}

/** UDP servers and a client that asks them through proxies, all on the clients' host. Stop it at the end. */
export class Echo {
  readonly changes: Change[] = [];
  readonly asked: Asked[] = [];
  readonly #cluster: Cluster;
  readonly #children: ChildProcess[] = [];

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** A server on a port that answers with its label. */
  answer(port: number, label: string): Promise<void> {
    return this.#start(["answer", String(port), label]);
  }

  /** Asks at these addresses until it is stopped. */
  ask(port: number, addresses: readonly string[]): Promise<void> {
    return this.#start(["ask", String(port), ...addresses]);
  }

  /** When a label began to come back from each address after a time, or undefined where it did not yet. */
  since(at: number, label: string, addresses: readonly string[]): (number | undefined)[] {
    return addresses.map(
      (address) =>
        this.changes.find((change) => change.at >= at && change.address === address && change.label === label)?.at,
    );
  }

  /** Asks addresses all the time; what became of each datagram is in `asked` 9 s later. */
  async survey(port: number, addresses: readonly string[]): Promise<void> {
    await this.#start(["survey", String(port), ...addresses]);
  }

  /** Rounds since this many datagrams were asked in which nobody answered at all, and how many datagrams were lost. */
  losses(since: number): { dark: number[]; lost: number; asked: number } {
    const asked = this.asked.slice(since);
    const rounds = new Map<number, boolean>();
    for (const { round, answered } of asked) rounds.set(round, rounds.get(round) === true || answered);
    const dark = [...rounds].filter(([, answered]) => !answered).map(([round]) => round);
    return { dark, lost: asked.filter(({ answered }) => !answered).length, asked: asked.length };
  }

  stop(): void {
    for (const child of this.#children.splice(0)) child.kill("SIGKILL");
  }

  #start(args: readonly string[]): Promise<void> {
    const program = join(import.meta.dirname, "echo_process.ts");
    const [file, all] = this.#cluster.onClient([process.execPath, program, ...args]);
    const child = spawn(file, all, { stdio: ["ignore", "pipe", "inherit"] });
    this.#children.push(child);
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`echo ${args.join(" ")} ended with ${code}`)));
      createInterface(child.stdout!).on("line", (line) => {
        if (line === "ready") resolve();
        else if (args[0] === "survey") this.asked.push(JSON.parse(line) as Asked);
        else this.changes.push(JSON.parse(line) as Change);
      });
    });
  }
}
