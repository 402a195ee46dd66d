import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { setPriority } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ApiServer } from "../../integration/operator/api_server.ts";
import type { Seen } from "./probe.ts";

export interface OperatorProcessOptions {
  readonly api: ApiServer;
  /** The bundle of the image. */
  readonly program: string;
  /** For its log and its kubeconfig. */
  readonly directory: string;
}

const AHEAD = -10;
const STILL_MS = 3000;
const POLL_MS = 250;

/** An operator in a process of its own, as the image has it, with a probe in it. */
export class OperatorProcess {
  readonly startedAtMs = Date.now();
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start({ api, program, directory }: OperatorProcessOptions): Promise<OperatorProcess> {
    const kubeconfig = join(directory, "kubeconfig.json");
    await writeFile(kubeconfig, JSON.stringify(kubeconfigOf(api)));
    const args = ["--image", "quicproxy:bench", "--leader-elect", "false", "--metrics", "127.0.0.1:0"];
    const child = fork(program, args, {
      execArgv: ["--import", join(import.meta.dirname, "probe.ts")],
      env: { ...process.env, KUBECONFIG: kubeconfig, NODE_COMPILE_CACHE: "" },
      stdio: ["ignore", "pipe", "inherit", "ipc"],
    });
    // The API server, etcd and all proxies are on the same CPUs here, and on others elsewhere.
    setPriority(child.pid!, AHEAD);
    child.stdout?.pipe(createWriteStream(join(directory, "operator.log"), { flags: "a" }));
    return new OperatorProcess(child);
  }

  /** What the probe saw since it was asked last. */
  async seen(): Promise<Seen> {
    const answer = once(this.#child, "message");
    this.#child.send("seen");
    const [seen] = (await answer) as [Seen];
    return seen;
  }

  /** Waits until it has written nothing for a while; what was seen until then, as one. */
  async untilStill(): Promise<Seen> {
    let all: Seen | undefined;
    for (;;) {
      all = merge(all, await this.seen());
      if (Date.now() - Math.max(all.lastWriteAtMs, this.startedAtMs) > STILL_MS) return all;
      await sleep(POLL_MS);
    }
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await ended;
  }
}

export function merge(a: Seen | undefined, b: Seen): Seen {
  if (a === undefined) return b;
  const names = [...new Set([...Object.keys(a.writes), ...Object.keys(b.writes)])];
  const none = { count: 0, octets: 0 };
  const writes = names.map((name) => {
    const [x = none, y = none] = [a.writes[name], b.writes[name]];
    return [name, { count: x.count + y.count, octets: x.octets + y.octets }];
  });
  return {
    ...b,
    gap: a.gap.wallMs > b.gap.wallMs ? a.gap : b.gap,
    work: a.work.cpuMs > b.work.cpuMs ? a.work : b.work,
    cpuMs: a.cpuMs + b.cpuMs,
    writes: Object.fromEntries(writes),
    reads: a.reads + b.reads,
  };
}

export function totalOf({ writes }: Pick<Seen, "writes">): { count: number; octets: number } {
  const all = Object.values(writes);
  const sum = (of: (each: (typeof all)[number]) => number): number => all.reduce((total, each) => total + of(each), 0);
  return { count: sum(({ count }) => count), octets: sum(({ octets }) => octets) };
}

function kubeconfigOf({ server }: ApiServer): object {
  return {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "bench",
    contexts: [{ name: "bench", context: { cluster: "bench", user: "operator" } }],
    clusters: [{ name: "bench", cluster: { server, "insecure-skip-tls-verify": true } }],
    users: [{ name: "operator", user: { token: "operator" } }],
  };
}
