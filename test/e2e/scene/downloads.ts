import { execFile } from "node:child_process";
import { join } from "node:path";
import type { QuicGoConnection } from "../../../proxy/lab/quicgo.ts";
import type { Cluster } from "../../cluster/cluster.ts";
import type { QuicContent } from "./quic_service.ts";

export interface DownloadPlan {
  /** Address of a node and port of the proxy there. */
  address: string;
  port: number;
  connections: number;
  /** At a time. Default 10. */
  parallel?: number;
  /** Downloads of the file in each connection. Default 1. */
  downloads?: number;
  /** Pause between two downloads of a connection. Default 0. */
  pauseMs?: number;
  /** For each connection. Default 60,000. */
  timeoutMs?: number;
}

/** Downloads with a real HTTP/3 client on the clients' host; every octet is compared with what the servers hold. */
export async function download(
  cluster: Cluster,
  content: QuicContent,
  plan: DownloadPlan,
): Promise<QuicGoConnection[]> {
  const { address, port, connections, parallel = 10, downloads = 1, pauseMs = 0, timeoutMs = 60_000 } = plan;
  const options: Record<string, string> = {
    connect: `${address.includes(":") ? `[${address}]` : address}:${port}`,
    ca: content.certificate.certificate,
    "expect-dir": join(content.directory, "content"),
    whoami: "/pod/name",
    count: String(connections),
    parallel: String(parallel),
    timeout: `${timeoutMs}ms`,
    pause: `${pauseMs}ms`,
  };
  const flags = Object.entries(options).flatMap(([name, value]) => [`-${name}`, value]);
  const urls = Array.from({ length: downloads }, () => `https://quicproxy.lab/${content.file.name}`);
  const [file, args] = cluster.onClient([content.programs.client, ...flags, ...urls]);
  const output = await new Promise<string>((resolve) => {
    execFile(file, args, { maxBuffer: 64 * 1024 * 1024 }, (_error, stdout, stderr) => resolve(stdout || stderr));
  });
  const lines = output.trimEnd().split("\n");
  if (lines.length !== connections + 1) throw new Error(`quicgo-client: ${output}`);
  return lines.slice(0, -1).map((line) => JSON.parse(line) as QuicGoConnection);
}

/** What went wrong, one line for each connection. */
export function faultsOf(connections: readonly QuicGoConnection[]): string[] {
  return connections.flatMap(({ connection, server, fault }) =>
    fault === undefined ? [] : [`connection ${connection} to ${server ?? "nobody"}: ${fault}`],
  );
}

/** Names of the pods that served, sorted. */
export function serversOf(connections: readonly QuicGoConnection[]): string[] {
  return [...new Set(connections.map(({ server }) => server ?? "nobody"))].sort();
}
