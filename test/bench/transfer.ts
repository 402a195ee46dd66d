import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Child, logEnd, udpPortBound, untilReady } from "../../proxy/lab/child.ts";
import { createCertificate } from "../../proxy/lab/content.ts";
import { insideNamespace } from "../../proxy/lab/namespace.ts";
import { type BenchLab, backendPort, startAhead } from "./lab.ts";

/** Which way the large body goes. */
export type Direction = "download" | "upload";

export interface Site {
  lab: BenchLab;
  server: Child;
  /** Of the large body. */
  bytes: number;
}

const large = "large";
const small = "small";

/** Serves one large and one small file by HTTP/3, with ngtcp2's server. */
export async function startSite(lab: BenchLab, megabytes: number): Promise<Site> {
  const root = join(lab.directory, "htdocs");
  mkdirSync(root);
  const bytes = megabytes * 1e6;
  writeFileSync(join(root, large), randomBytes(bytes));
  writeFileSync(join(root, small), "small");
  const { key, certificate } = createCertificate(lab.directory);
  const command = ["gtlsserver", "-q", "--htdocs", root, "*", String(backendPort), key, certificate];
  const server = startAhead(lab, { name: "gtlsserver", namespace: lab.backend, command });
  await untilReady(server, () => udpPortBound(server.pid, backendPort, ["udp"]));
  return { lab, server, bytes };
}

export interface Transfer {
  seconds: number;
}

/** One connection of ngtcp2's client, from its start to its end. Throws when the body did not pass. */
export async function transfer(
  { lab, bytes }: Site,
  direction: Direction,
  { address, port }: { address: string; port: number },
): Promise<Transfer> {
  const upload = ["-m", "POST", "-d", join(lab.directory, "htdocs", large)];
  const options = ["-q", "--exit-on-all-streams-close", "--timeout=10s", ...(direction === "upload" ? upload : [])];
  const uri = `https://${address}:${port}/${direction === "upload" ? small : large}`;
  const command = ["gtlsclient", ...options, address, String(port), uri];
  const before = clientBytes(lab, direction);
  const start = performance.now();
  const child = startAhead(lab, { name: "gtlsclient", namespace: lab.client, command });
  const code = await child.exited;
  const seconds = (performance.now() - start) / 1000;
  // The client ends with 0 also after a lost connection.
  const moved = clientBytes(lab, direction) - before;
  if (code === 0 && moved >= bytes) return { seconds };
  throw new Error(
    `${direction}: ${moved} of ${bytes} octets passed, gtlsclient ended with ${code}: ${logEnd(child.logFile, 3)}`,
  );
}

interface LinkStatistics {
  ifname: string;
  stats64: { rx: { bytes: number }; tx: { bytes: number } };
}

/** Octets that the client's links to all edges carried in a direction. */
function clientBytes(lab: BenchLab, direction: Direction): number {
  const [file, args] = insideNamespace(lab.client, ["ip", "-s", "-j", "link", "show"]);
  const links = JSON.parse(execFileSync(file, args, { encoding: "utf8" })) as LinkStatistics[];
  return links
    .filter(({ ifname }) => ifname.startsWith("edge"))
    .reduce((sum, { stats64 }) => sum + (direction === "download" ? stats64.rx.bytes : stats64.tx.bytes), 0);
}
