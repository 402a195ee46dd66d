import { execFileSync } from "node:child_process";
import { insideNamespace, ipInside, removeLab } from "../../proxy/lab/namespace.ts";
import { createTopology, type Topology } from "../../proxy/lab/topology.ts";
import { Peer } from "./peer.ts";

/** More addresses of the edge, which a client may send to as well. */
export const edgeAliases = { 4: ["10.79.1.101", "10.79.1.102"], 6: ["fd79:1::101", "fd79:1::102"] } as const;

/** client <-> edge <-> backend in namespaces of their own, with a peer in each. The proxy runs on the edge. */
export interface Network {
  topology: Topology;
  client: Peer;
  edge: Peer;
  backend: Peer;
  remove(): Promise<void>;
}

export function createNetwork(): Network {
  const topology = createTopology({ backends: 1 });
  const { client, edge, backends } = topology;
  ipInside(edge.namespace, [
    ...edgeAliases[4].map((address) => `addr add ${address}/24 dev clients`),
    ...edgeAliases[6].map((address) => `addr add ${address}/64 dev clients nodad`),
  ]);
  const peers = [client.namespace, edge.namespace, backends[0]!.namespace].map((namespace) => new Peer(namespace));
  return {
    topology,
    client: peers[0]!,
    edge: peers[1]!,
    backend: peers[2]!,
    async remove(): Promise<void> {
      await Promise.all(peers.map((peer) => peer.stop()));
      removeLab(topology.name);
    },
  };
}

/**
 * full: the device's queue takes nothing, and nothing passes it by. slow: it takes everything, and lets go of 1,000
 * octets a second. none: as virtual devices come.
 */
export function setQueue(namespace: string, device: string, queue: "full" | "slow" | "none"): void {
  const discipline = { full: " pfifo limit 0", slow: " tbf rate 8kbit burst 1600 limit 1000000", none: "" }[queue];
  const line = `qdisc ${queue === "none" ? "del" : "add"} dev ${device} root${discipline}`;
  const [file, args] = insideNamespace(namespace, ["tc", ...line.split(" ")]);
  execFileSync(file, args, { stdio: ["ignore", "ignore", "pipe"] });
}

export function addressOf({ v4, v6 }: { v4: string; v6: string }, family: 4 | 6): string {
  return family === 4 ? v4 : v6;
}
