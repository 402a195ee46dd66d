import { type ChildProcess, execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Child, startChild, udpPortBound, untilReady } from "./child.ts";
import { type Certificate, contentDirectory, documentRoot, whoamiFile } from "./content.ts";
import { insideNamespace } from "./namespace.ts";
import { backendPort, type ServerPlan } from "./peers.ts";

/** Paths of the programs of examples/go. */
export interface QuicGoPrograms {
  server: string;
  client: string;
}

/** Makes a server's Connection IDs routable by QUIC-LB. */
export interface RoutableIds {
  rotation: number;
  /** Hexadecimal. */
  serverId: string;
  nonceLength: number;
  /** Hexadecimal; absent: plain text. */
  key?: string;
}

export interface QuicGoServerPlan extends ServerPlan {
  programs: QuicGoPrograms;
  /** Absent: the server's Connection IDs are those of quic-go, 4 random octets. */
  routableIds?: RoutableIds;
  /** The server's Connection IDs are empty; it then has one connection at a time. */
  zeroLengthIds?: boolean;
}

/** Starts an HTTP/3 server on a backend's port of the lab; it logs where each connection's client was first and last. */
export async function startQuicGoServer(plan: QuicGoServerPlan): Promise<Child> {
  const { place, directory, certificate, programs } = plan;
  const content = ["-dir", documentRoot(directory, place.name)];
  const identity = ["-cert", certificate.certificate, "-key", certificate.key];
  const options = ["-listen", `:${backendPort}`, "-log-connections", ...(plan.validateAddress ? ["-retry"] : [])];
  if (plan.zeroLengthIds) options.push("-zero-length-ids");
  const child = startChild({
    name: `quicgo-server on ${place.name}`,
    namespace: place.namespace,
    command: [programs.server, ...options, ...identity, ...content, ...routableOptions(plan.routableIds)],
    logFile: join(directory, `${place.name}.log`),
  });
  await untilReady(child, () => udpPortBound(child.pid, backendPort, ["udp6"]));
  return child;
}

function routableOptions(ids: RoutableIds | undefined): string[] {
  if (ids === undefined) return [];
  const { rotation, serverId, nonceLength, key } = ids;
  const options = ["-rotation", String(rotation), "-server-id", serverId, "-nonce-length", String(nonceLength)];
  return key === undefined ? options : [...options, "-cid-key", key];
}

export interface QuicGoClientPlan {
  programs: QuicGoPrograms;
  namespace: string;
  /** Of the lab. */
  directory: string;
  certificate: Certificate;
  target: { address: string; port: number };
  /** Names of files below `content` in the lab's directory; each connection fetches all of them and checks them. */
  files: readonly string[];
  connections: number;
  parallel: number;
  /** How the address changes, and after how many octets of body; `times` defaults to 1. */
  change?: { kind: "rebind" | "migrate"; afterOctets: number; times?: number };
  /** Local addresses: the first for the first socket of a connection, the next for the next. Default: the kernel's. */
  locals?: readonly string[];
  /** Octets of the client's own Connection IDs. Default 8. */
  connectionIdLength?: number;
  /** Connections to make beside the held ones, from the socket of the first of them. Default none. */
  again?: number;
  /** For each connection. Default 30,000. */
  timeoutMs?: number;
}

/** One connection, as quicgo-client reports it. */
export interface QuicGoConnection {
  connection: number;
  /** Who the server said it was. */
  server?: string;
  octets: number;
  durationMs: number;
  /** Datagrams by each socket, in the order of use. */
  paths: { local: string; sent: number; received: number }[];
  /** Datagrams to a socket that had been replaced. */
  late: number;
  /** Absent when everything arrived unchanged and the address changed as asked. */
  fault?: string;
}

export interface QuicGoReport {
  /** 0, or 1 when a connection failed. */
  code: number;
  connections: QuicGoConnection[];
}

/** Runs the connections in one client process. Throws when the client reports anything but one line for each. */
export function runQuicGoClient(plan: QuicGoClientPlan): Promise<QuicGoReport> {
  return launch(plan).report;
}

/** Downloads that all go on, slowly. */
export interface HeldDownloads {
  /** Makes the connections of `plan.again`, one after the other, and waits for their ends. */
  again(): Promise<QuicGoConnection[]>;
  /** Lets them run to their end. */
  finish(): Promise<QuicGoReport>;
}

/**
 * The same, but each connection is kept busy and slow until `finish`; one that ends earlier all the same reports a
 * fault. Resolves when body arrives in all of them: every handshake is complete on both sides. Throws when the client
 * ends before that.
 */
export async function holdQuicGoClient(plan: QuicGoClientPlan): Promise<HeldDownloads> {
  const { child, report } = launch(plan, ["-hold"]);
  const ended = report.then((early) => {
    throw new Error(`quicgo-client ended before all connections had begun: ${JSON.stringify(early)}`);
  });
  await Promise.race([allBegun(child, plan.connections), ended]);
  ended.catch(() => {});
  const finish = (): Promise<QuicGoReport> => {
    child.stdin?.end();
    return report;
  };
  const again = async (): Promise<QuicGoConnection[]> => {
    const made = reported(child, plan.again ?? 0);
    child.stdin?.write("\n");
    return await Promise.race([made, ended]);
  };
  return { again, finish };
}

/** The next connections that the client reports. */
function reported({ stdout }: ChildProcess, count: number): Promise<QuicGoConnection[]> {
  return new Promise((resolve) => {
    let said = "";
    stdout?.on("data", (text: string) => {
      said += text;
      const lines = said.split("\n").slice(0, -1);
      if (lines.length >= count) resolve(lines.slice(0, count).map((line) => JSON.parse(line) as QuicGoConnection));
    });
  });
}

function allBegun({ stderr }: ChildProcess, connections: number): Promise<void> {
  return new Promise((resolve) => {
    let said = "";
    stderr?.on("data", (text: string) => {
      said += text;
      if (said.split("\n").filter((line) => line.startsWith("begun ")).length === connections) resolve();
    });
  });
}

function launch(
  plan: QuicGoClientPlan,
  options: readonly string[] = [],
): { child: ChildProcess; report: Promise<QuicGoReport> } {
  const [file, args] = insideNamespace(plan.namespace, [plan.programs.client, ...options, ...clientOptions(plan)]);
  const ended = Promise.withResolvers<QuicGoReport>();
  const child = execFile(file, args, { maxBuffer: 64 * 1024 * 1024 }, (error, output, faults) => {
    const code = typeof error?.code === "number" ? error.code : error === null ? 0 : -1;
    const lines = output.trimEnd().split("\n");
    if ((code === 0 || code === 1) && lines.length === plan.connections + (plan.again ?? 0) + 1) {
      ended.resolve({ code, connections: lines.slice(0, -1).map((line) => JSON.parse(line) as QuicGoConnection) });
    } else {
      ended.reject(new Error(`quicgo-client ended with ${code} after ${lines.length} lines: ${faults || output}`));
    }
  });
  return { child, report: ended.promise };
}

function clientOptions(plan: QuicGoClientPlan): string[] {
  const { address, port } = plan.target;
  const options: Record<string, string | undefined> = {
    connect: `${address.includes(":") ? `[${address}]` : address}:${port}`,
    ca: plan.certificate.certificate,
    "expect-dir": contentDirectory(plan.directory),
    whoami: `/${whoamiFile}`,
    count: String(plan.connections),
    again: plan.again?.toString(),
    parallel: String(plan.parallel),
    timeout: `${plan.timeoutMs ?? 30_000}ms`,
    local: plan.locals?.join(","),
    "cid-length": plan.connectionIdLength?.toString(),
    [`${plan.change?.kind ?? "rebind"}-after`]: plan.change?.afterOctets.toString(),
    changes: plan.change?.times?.toString(),
  };
  const given = Object.entries(options).filter((option): option is [string, string] => option[1] !== undefined);
  return [
    ...given.flatMap(([name, value]) => [`-${name}`, value]),
    ...plan.files.map((name) => `https://quicproxy.lab/${name}`),
  ];
}

/** Where the client of each ended connection was at its first and at its last datagram, as a server logged it. */
export function loggedConnections({ logFile }: Child): { first: string; last: string }[] {
  return readFileSync(logFile, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as { first: string; last: string });
}
