import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { insideNamespace } from "../../proxy/lab/namespace.ts";
import { describeProxy } from "./counter_suite.ts";
import { script } from "./inside.ts";
import { addressOf, Network } from "./network.ts";
import { BACKEND_PORT, LISTEN_PORT } from "./proxy.ts";

/* What the IP headers say at the far end: traffic class, hop limit, no fragments. */

let network: Network;

beforeAll(() => {
  network = new Network();
});

afterAll(() => network.remove());

interface Seen {
  trafficClass: number;
  hopLimit: number;
  dontFragment: boolean | null;
}

/** Runs marked_udp.py inside a namespace; resolves once it listens. */
class Marked {
  readonly #process: ChildProcessByStdio<null, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(namespace: string, args: readonly string[]) {
    const [file, all] = insideNamespace(namespace, script("marked_udp.py", ...args));
    this.#process = spawn(file, all, { stdio: ["ignore", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  async ready(): Promise<void> {
    expect((await this.#lines.next()).value).toBe("ready");
  }

  async seen(): Promise<Seen> {
    const { value } = await this.#lines.next();
    if (value === undefined) throw new Error("marked_udp.py saw nothing");
    return JSON.parse(value) as Seen;
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    this.#process.kill("SIGKILL");
    await once(this.#process, "exit");
  }
}

for (const family of [4, 6] as const) {
  describeProxy(
    {
      name: `IPv${family}`,
      network: () => network,
      options: () => ({
        backends: [network.service({ family })],
        dataPlane: { workers: { max: 1 } },
      }),
    },
    () => {
      test.each([
        ["a congestion mark", 0x03, 0x01],
        ["DSCP and capable of marks", 0xb8 | 0x02, 0x28 | 0x01],
        ["neither", 0, 0],
      ])("%s passes both ways, nothing may be fragmented, the hop limit sinks", async (_, toward, back) => {
        const { client, edge, backends } = network.topology;
        const service = [addressOf(backends[0]!, family), String(BACKEND_PORT), String(back)];
        const answering = new Marked(backends[0]!.namespace, ["answer", ...service]);
        await answering.ready();
        const ask = [addressOf(client.own, family), String(LISTEN_PORT), String(toward)];
        const asking = new Marked(client.namespace, ["ask", ...ask, addressOf(edge.towardClients, family)]);
        try {
          await asking.ready();
          const dontFragment = family === 4 ? true : null;
          expect(await answering.seen()).toEqual({ trafficClass: toward, hopLimit: 63, dontFragment });
          expect(await asking.seen()).toMatchObject({ trafficClass: back, dontFragment });
        } finally {
          await answering.end();
          await asking.end();
        }
      });
    },
  );
}
