import { ipInside, removeLab } from "../../proxy/lab/namespace.ts";
import { createTopology, type Topology } from "../../proxy/lab/topology.ts";
import { Host } from "./host.ts";
import { inside } from "./inside.ts";
import { Peer } from "./peer.ts";
import { BACKEND_PORT, LISTEN_PORT } from "./proxy.ts";

/** More addresses of the edge, which a client may send to as well. */
export const edgeAliases = { 4: ["10.79.1.101", "10.79.1.102"], 6: ["fd79:1::101", "fd79:1::102"] } as const;

export interface ServiceChoice {
  /** Default 4. */
  family?: 4 | 6;
  /** Default: BACKEND_PORT. */
  port?: number;
}

/** client <-> edge <-> backends in namespaces of their own, with a peer in each; of the backends in the first alone. */
export class Network {
  readonly topology: Topology;
  readonly client: Peer;
  readonly edge: Peer;
  readonly backend: Peer;
  /** The edge, where the proxy runs. */
  readonly host: Host;

  constructor({ backends: count = 1 } = {}) {
    this.topology = createTopology({ backends: count });
    const { client, edge, backends, directory } = this.topology;
    ipInside(edge.namespace, [
      ...edgeAliases[4].map((address) => `addr add ${address}/24 dev clients`),
      ...edgeAliases[6].map((address) => `addr add ${address}/64 dev clients nodad`),
    ]);
    this.client = new Peer(client.namespace);
    this.edge = new Peer(edge.namespace);
    this.backend = new Peer(backends[0]!.namespace);
    this.host = new Host({ namespace: edge.namespace, reader: this.edge, directory });
  }

  /** A service of the first backend, as manifests name it. */
  service({ family = 4, port = BACKEND_PORT }: ServiceChoice = {}): { address: string; port: number } {
    return { address: addressOf(this.topology.backends[0]!, family), port };
  }

  /** A socket where that service is. */
  async openService(choice: ServiceChoice = {}): Promise<number> {
    return (await this.backend.open({ family: choice.family ?? 4, ...this.service(choice) })).id;
  }

  /** From now on that service sends back whatever it receives. */
  async openEcho(choice: ServiceChoice = {}): Promise<void> {
    await this.backend.echo(await this.openService(choice));
  }

  /** A socket of the client's, on its own address unless told otherwise. */
  async openClient({
    family = 4,
    address = addressOf(this.topology.client.own, family),
  }: ClientChoice = {}): Promise<number> {
    return (await this.client.open({ family, address })).id;
  }

  /** From a socket of the client's to the proxy. */
  send(socket: number, payload: Uint8Array, port = LISTEN_PORT): Promise<void> {
    return this.client.send({ socket, payload, address: this.topology.edge.towardClients.v4, port });
  }

  /** So many of them from a new socket, which is closed then. */
  async sendMany(payload: Uint8Array, count: number, port = LISTEN_PORT): Promise<void> {
    const socket = await this.openClient();
    for (let sent = 0; sent < count; sent++) await this.send(socket, payload, port);
    await this.client.close(socket);
  }

  /** Has the proxy's port to itself for a moment, as another program would; throws where it is taken. */
  async borrowListenPort(): Promise<void> {
    for (const [family, address] of [
      [4, "0.0.0.0"],
      [6, "::"],
    ] as const) {
      const { id } = await this.edge.open({ family, address, port: LISTEN_PORT });
      await this.edge.close(id);
    }
  }

  /** Forgets what the peers have received and nobody took. */
  async forget(): Promise<void> {
    for (const peer of [this.client, this.edge, this.backend]) await peer.take(0);
  }

  async remove(): Promise<void> {
    await this.host.clear();
    await Promise.all([this.client, this.edge, this.backend].map((peer) => peer.stop()));
    removeLab(this.topology.name);
  }
}

export interface ClientChoice {
  /** Default 4. */
  family?: 4 | 6;
  address?: string;
}

/**
 * full: the device's queue takes nothing, and nothing passes it by. slow: it takes everything, and lets go of 1,000
 * octets a second. none: as virtual devices come.
 */
export function setQueue(namespace: string, device: string, queue: "full" | "slow" | "none"): void {
  const discipline = { full: " pfifo limit 0", slow: " tbf rate 8kbit burst 1600 limit 1000000", none: "" }[queue];
  const line = `qdisc ${queue === "none" ? "del" : "add"} dev ${device} root${discipline}`;
  inside(namespace, ["tc", ...line.split(" ")]);
}

export function addressOf({ v4, v6 }: { v4: string; v6: string }, family: 4 | 6): string {
  return family === 4 ? v4 : v6;
}
