import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Child, logEnd, startChild, udpPortBound, untilReady } from "./child.ts";
import { type Certificate, type Content, contentFault, documentRoot, whoamiFile } from "./content.ts";
import type { BackendPlace } from "./topology.ts";

/** The port on which backends of a lab serve HTTP/3. */
export const backendPort = 4433;

export interface ServerPlan {
  place: BackendPlace;
  directory: string;
  certificate: Certificate;
  /** Answer the first Initial of a client with a Retry. */
  validateAddress?: boolean;
}

/** An HTTP/3 stack of which the lab can run a server and a client. */
export interface Stack {
  name: string;
  startServer(plan: ServerPlan): Promise<Child>;
  /** The command line of a client that fetches paths in one connection and saves them in a directory. */
  clientCommand(target: DownloadTarget, paths: readonly string[], directory: string): string[];
}

export interface DownloadTarget {
  address: string;
  port: number;
  /** Options of this stack's client beside the usual ones. */
  clientOptions?: readonly string[];
}

export const ngtcp2: Stack = {
  name: "ngtcp2",
  async startServer({ place, directory, certificate, validateAddress }) {
    const options = ["-q", ...(validateAddress ? ["--validate-addr"] : [])];
    const root = ["--htdocs", documentRoot(directory, place.name)];
    const endpoint = ["*", String(backendPort), certificate.key, certificate.certificate];
    const child = startChild({
      name: `gtlsserver on ${place.name}`,
      namespace: place.namespace,
      command: ["gtlsserver", ...options, ...root, ...endpoint],
      logFile: join(directory, `${place.name}.log`),
    });
    await untilReady(child, () => udpPortBound(child.pid, backendPort, ["udp", "udp6"]));
    return child;
  },
  clientCommand({ address, port, clientOptions }, paths, directory) {
    const origin = `https://${address.includes(":") ? `[${address}]` : address}:${port}`;
    const options = ["-q", "--exit-on-all-streams-close", "--timeout=30s", `--download=${directory}`];
    const uris = paths.map((path) => `${origin}/${path}`);
    return ["gtlsclient", ...options, ...(clientOptions ?? []), address, String(port), ...uris];
  },
};

export interface DownloadPlan {
  stack: Stack;
  /** Of the client. */
  namespace: string;
  /** A new directory is made here for each download. */
  directory: string;
  name: string;
  target: DownloadTarget;
  content: Content;
}

export interface DownloadResult {
  name: string;
  /** Who the server said it was. */
  backend: string | undefined;
  /** Absent when all content arrived unchanged. */
  fault: string | undefined;
  bytes: number;
  durationMs: number;
}

/** Fetches the content and the server's name in one connection and checks both. Never throws for a failed download. */
export async function download(plan: DownloadPlan): Promise<DownloadResult> {
  const directory = join(plan.directory, "downloads", plan.name);
  mkdirSync(directory, { recursive: true });
  const logFile = join(directory, "client.log");
  const started = performance.now();
  const client = startChild({
    name: `${plan.stack.name} client ${plan.name}`,
    namespace: plan.namespace,
    command: plan.stack.clientCommand(plan.target, [whoamiFile, plan.content.name], directory),
    logFile,
  });
  const code = await client.exited;
  const durationMs = performance.now() - started;
  const backend = readBackend(directory);
  const fault = downloadFault({ code, backend, content: contentFault(directory, plan.content), logFile });
  if (fault === undefined) rmSync(directory, { recursive: true });
  return { name: plan.name, backend, fault, bytes: fault === undefined ? plan.content.bytes : 0, durationMs };
}

function readBackend(directory: string): string | undefined {
  try {
    return readFileSync(join(directory, whoamiFile), "utf8");
  } catch {
    return undefined;
  }
}

interface Outcome {
  code: number | string;
  backend: string | undefined;
  content: string | undefined;
  logFile: string;
}

// gtlsclient ends with 0 also after a lost connection: only the content tells.
function downloadFault({ code, backend, content, logFile }: Outcome): string | undefined {
  const fault = content ?? (backend === undefined ? "the server's name did not arrive" : undefined);
  if (code === 0 && fault === undefined) return undefined;
  const said = logEnd(logFile, 2).replaceAll("\n", "; ");
  return [fault, code === 0 ? undefined : `client ended with ${code}`, said || undefined].filter(Boolean).join("; ");
}
