import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { readFileSync } from "node:fs";

/**
 * Address translation before one client, as a home router does it: everything the client sends leaves by one outer
 * socket. After `rebindAfter` datagrams from outside, the client's next datagram leaves by a new outer socket, and
 * what still comes to the old one is thrown away. The client notices nothing, so its Connection ID stays.
 * Runs as a program of its own in the client's namespace; takes its mappings as a JSON file.
 */
export interface MappingPlan {
  /** Where the client sends to. */
  inner: { address: string; port: number };
  /** Where the proxy listens. */
  remote: { address: string; port: number };
  /** The outer sockets, first and after the change. What is absent is chosen by the kernel. */
  outer: readonly [OuterPlan, OuterPlan];
  /** Datagrams from outside after which the mapping changes; 0: never. */
  rebindAfter: number;
}

export interface OuterPlan {
  address?: string;
  port?: number;
}

/** Datagrams that crossed the translation before and after its change. */
export interface MappingReport {
  outer: string[];
  sent: [number, number];
  received: [number, number];
  /** Came to the old mapping after the change. */
  late: number;
}

const socketBufferBytes = 2 * 1024 * 1024;

async function bind({ address, port = 0 }: OuterPlan, family: "udp4" | "udp6"): Promise<Socket> {
  const socket = createSocket({ type: family });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ port, ...(address === undefined ? {} : { address }) }, resolve);
  });
  socket.removeAllListeners("error");
  // An unreachable or refused datagram is lost, as it would be behind a router.
  socket.on("error", () => {});
  socket.setRecvBufferSize(socketBufferBytes);
  return socket;
}

function outerName(socket: Socket): string {
  const { address, port } = socket.address();
  return `${address}:${port}`;
}

export interface Mapping {
  /** Kept up to date. */
  report: MappingReport;
  close(): void;
}

export async function startMapping(plan: MappingPlan): Promise<Mapping> {
  const family = plan.remote.address.includes(":") ? "udp6" : "udp4";
  const inner = await bind(plan.inner, family);
  const outers = [await bind(plan.outer[0], family), await bind(plan.outer[1], family)] as const;
  const report: MappingReport = { outer: outers.map(outerName), sent: [0, 0], received: [0, 0], late: 0 };
  let client: RemoteInfo | undefined;
  let epoch: 0 | 1 = 0;

  inner.on("message", (datagram, from) => {
    client = from;
    if (plan.rebindAfter > 0 && report.received[0] >= plan.rebindAfter) epoch = 1;
    report.sent[epoch]++;
    outers[epoch].send(datagram, plan.remote.port, plan.remote.address);
  });
  outers.forEach((outer, index) => {
    outer.on("message", (datagram) => {
      if (index !== epoch) {
        report.late++;
      } else if (client !== undefined) {
        report.received[epoch]++;
        inner.send(datagram, client.port, client.address);
      }
    });
  });
  const close = (): void => {
    for (const socket of [inner, ...outers]) socket.close();
  };
  return { report, close };
}

/** Prints `ready`, then on SIGTERM the reports of all mappings as one line of JSON. */
async function main(planFile: string): Promise<void> {
  const plans = JSON.parse(readFileSync(planFile, "utf8")) as MappingPlan[];
  const mappings = await Promise.all(plans.map(startMapping));
  process.once("SIGTERM", () => {
    process.stdout.write(`${JSON.stringify(mappings.map(({ report }) => report))}\n`, () => process.exit(0));
  });
  process.stdout.write("ready\n");
}

if (import.meta.main) await main(process.argv[2]!);
