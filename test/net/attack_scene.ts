import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { promisify } from "node:util";
import { addressLines, insideNamespace, ipInside } from "../../proxy/lab/namespace.ts";
import type { Topology } from "../../proxy/lab/topology.ts";
import { script } from "./inside.ts";
import { Network } from "./network.ts";
import { longHeader, shortHeader } from "./packets.ts";
import { Peer, type Received } from "./peer.ts";
import type { Place } from "./place.ts";
import { BACKEND_PORT, LISTEN_PORT, type ManifestOptions, manifest, type ProxyProcess } from "./proxy.ts";

/* Clients, servers that say who they are, and an attacker who writes any source address, around one proxy. */

/** Addresses of nobody, which the edge reaches by the client's namespace; what is sent there is thrown away. */
const STRANGERS = { network: "198.18.0.0/15", first: "198.18.0.1" };
const run = promisify(execFile);

/** Lets the edge take datagrams of strangers' addresses, and send to them. */
export function admitStrangers({ client, edge }: Topology): void {
  ipInside(client.namespace, [`route add blackhole ${STRANGERS.network}`]);
  ipInside(edge.namespace, [`route add ${STRANGERS.network} via ${client.own.v4}`]);
}

export interface Flood {
  kind: "initial" | "unknown" | "short" | "id";
  /** Hexadecimal, of kind `id`. */
  ids?: readonly string[];
  count: number;
  ratePps: number;
  /** Datagrams of a source one after the other. Default 1. */
  repeat?: number;
  /** Default: strangers' addresses, 200 of them. */
  source?: { address: string; port: number };
}

const ADDRESSES = 200;
const FIRST_PORT = 20_000;

/** Sends all of it; resolves when it has left. */
export async function flood({ client, edge }: Topology, { kind, ids = [], ...plan }: Flood): Promise<void> {
  const from = plan.source
    ? ["--source", plan.source.address, "--port", String(plan.source.port)]
    : [
        ...["--source", STRANGERS.first, "--addresses", String(ADDRESSES)],
        ...["--port", String(FIRST_PORT), "--ports", String(Math.ceil(plan.count / ADDRESSES))],
      ];
  const amount = ["--count", String(plan.count), "--rate", String(plan.ratePps), "--repeat", String(plan.repeat ?? 1)];
  const target = ["--target", `${edge.towardClients.v4}:${LISTEN_PORT}`];
  const what = ["--kind", kind, ...(ids.length > 0 ? ["--ids", ids.join(",")] : [])];
  const command = script("spoofed_udp.py", ...target, ...what, ...amount, ...from);
  await run(...insideNamespace(client.namespace, command));
}

/** What the servers speak: named_servers.py has the words. */
export type Speech = `${number}` | "mirror" | "rtp";

export interface Answered {
  /** Address of the server. */
  server: string;
  /** The Connection ID that it chose, where it did. */
  id: Buffer;
  from: Received;
}

export class AttackScene {
  readonly network: Network;
  /** In the clients' namespace, too: what is answered to it is in nobody's way. */
  readonly attacker: Peer;
  readonly servers: string[];
  #proxy: ProxyProcess | undefined;
  #place: Place | undefined;
  #speakers = new Map<string, ChildProcess>();

  /** `servers`: how many backends there are, in one namespace. */
  constructor(servers = 3) {
    this.network = new Network();
    this.attacker = new Peer(this.network.topology.client.namespace);
    const [backend] = this.network.topology.backends;
    this.servers = Array.from({ length: servers }, (_, index) => `10.79.2.${11 + index}`);
    const more = this.servers.slice(1).map((address) => `${address}/24`);
    ipInside(backend!.namespace, addressLines("access", more));
    admitStrangers(this.network.topology);
  }

  get topology(): Topology {
    return this.network.topology;
  }

  get proxy(): ProxyProcess {
    return this.#proxy!;
  }

  /** Starts servers, a process for each, so that one alone can end. */
  async serve(speaks: Speech, servers: readonly string[] = this.servers): Promise<void> {
    const { namespace } = this.topology.backends[0]!;
    await Promise.all(
      servers.map(async (address) => {
        const command = script("named_servers.py", speaks, String(BACKEND_PORT), address);
        const [file, args] = insideNamespace(namespace, command);
        const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
        this.#speakers.set(address, child);
        await once(child.stdout, "data");
      }),
    );
  }

  async silence(servers: readonly string[] = this.servers): Promise<void> {
    const ending = servers.map(async (address) => {
      const child = this.#speakers.get(address);
      this.#speakers.delete(address);
      if (!child || child.exitCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    });
    await Promise.all(ending);
  }

  /** Takes what comes, and says nothing until it is resumed. */
  suspend(server: string): void {
    this.#speakers.get(server)!.kill("SIGSTOP");
  }

  resume(server: string): void {
    this.#speakers.get(server)!.kill("SIGCONT");
  }

  async start(options: Partial<ManifestOptions> = {}): Promise<ProxyProcess> {
    this.#place = this.network.host.place(this.#text(options));
    return this.#run(this.#place);
  }

  /** Ends the proxy and starts it again on the same manifest and state. */
  async restart(): Promise<ProxyProcess> {
    await this.proxy.stop();
    return this.#run(this.#place!);
  }

  async #run(place: Place): Promise<ProxyProcess> {
    this.#proxy = await this.network.host.start(place);
    return this.#proxy;
  }

  /** Writes another manifest and waits until the proxy has applied it. */
  async change(options: Partial<ManifestOptions>): Promise<void> {
    const { generation } = await this.proxy.counters();
    this.#place!.write(this.#text(options));
    const deadline = performance.now() + 30_000;
    while ((await this.proxy.counters()).generation === generation) {
      if (performance.now() > deadline) throw new Error(`the manifest is not applied:\n${this.proxy.output}`);
      await new Promise((wake) => setTimeout(wake, 20));
    }
  }

  #text({ dataPlane, ...others }: Partial<ManifestOptions>): string {
    const backends = this.servers.map((address) => ({ address, port: BACKEND_PORT }));
    return manifest({ backends, dataPlane: { sampleOneIn: 1_000_000_000, ...dataPlane }, ...others });
  }

  /** Ends proxy and servers; the network stays. */
  async reset(): Promise<void> {
    await this.network.host.clear();
    await this.silence();
    await Promise.all([this.network.client.take(0), this.attacker.take(0)]);
  }

  async remove(): Promise<void> {
    await this.reset();
    await this.attacker.stop();
    await this.network.remove();
  }

  open(address = this.topology.client.own.v4, by = this.network.client): Promise<{ id: number; port: number }> {
    return by.open({ family: 4, address });
  }

  send(socket: number, payload: Buffer, by = this.network.client): Promise<void> {
    return by.send({ socket, payload, address: this.topology.edge.towardClients.v4, port: LISTEN_PORT });
  }

  /** One datagram, and who answers it; what came to other sockets meanwhile is thrown away. */
  async ask(socket: number, payload: Buffer, by = this.network.client): Promise<Answered> {
    await this.send(socket, payload, by);
    let from: Received | undefined;
    do [from] = await by.take(1);
    while (from && from.socket !== socket);
    if (!from) throw new Error(`no answer to socket ${socket}`);
    const end = from.payload.lastIndexOf("|");
    const isLong = (from.payload[0]! & 0x80) !== 0;
    const start = isLong ? 7 + from.payload[5]! : end;
    return { server: from.payload.toString("latin1", end + 1), id: from.payload.subarray(start, end), from };
  }
}

/** The beginning of a connection, with Connection IDs of the client's choice. */
export const beginning = (clientId: Buffer = randomBytes(8)): Buffer =>
  longHeader({ dcid: randomBytes(8), scid: clientId, payloadBytes: 1150 });

export const goingOn = (id: Uint8Array): Buffer => shortHeader(id, { payloadBytes: 40 });
