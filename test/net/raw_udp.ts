import type { Topology } from "../../proxy/lab/topology.ts";
import { inside, script } from "./inside.ts";
import { addressOf } from "./network.ts";
import { LISTEN_PORT } from "./proxy.ts";

export interface RawDatagrams {
  /** Default 4. */
  family?: 4 | 6;
  /** Default: the client's own. */
  source?: string;
  /** `7` or `7-9`, one after the other. */
  ports: readonly string[];
  payload: Uint8Array;
  hopLimit?: number;
}

/** Sends datagrams to the proxy from source ports of choice, as no socket would send them. */
export function sendRaw({ client, edge }: Topology, datagrams: RawDatagrams): void {
  const { family = 4, source = addressOf(client.own, family), ports, payload, hopLimit = 64 } = datagrams;
  const ends = [source, addressOf(edge.towardClients, family), String(LISTEN_PORT)];
  const hex = Buffer.from(payload).toString("hex");
  inside(client.namespace, script("raw_udp.py", ...ends, hex, String(hopLimit), ...ports));
}
