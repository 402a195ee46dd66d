import { mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Child, type ChildPlan, startChild, udpPortBound, untilReady } from "../../proxy/lab/child.ts";
import {
  createNamespace,
  ipInside,
  labDirectory,
  linkNamespaces,
  nextLabName,
  removeLab,
  removeStaleLabs,
} from "../../proxy/lab/namespace.ts";

/** Where backends answer, and every proxy listens. */
export const backendPort = 4433;
export const proxyPort = 4440;
/** Of every proxy's sockets, in MiB. */
export const bufferMi = 4;
/**
 * How programs of the measurement come before other work on the machine. `nice`: a session of its own is a group of its
 * own to the scheduler where autogroups are on; there the niceness of the group counts. `realTime`: nothing else runs
 * while they can, which only those may do that sleep for a good part of the time; `nice` where it is not allowed.
 */
export type Precedence = "nice" | "realTime";

const nice = '{ echo -10 >/proc/self/autogroup; } 2>/dev/null; exec nice -n -10 "$@"';
const precedences: Record<Precedence, readonly string[]> = {
  nice: ["sh", "-c", nice, "sh"],
  realTime: ["sh", "-c", `chrt -f 10 true 2>/dev/null && exec chrt -f 10 "$@"; ${nice}`, "sh"],
};
export const programs = resolve(import.meta.dirname, "../../build/bench");
/** The client's flows come from addresses of such a network, one each. */
const flowNetworks = { proxied: "10.96.0.0/12", translated: "10.112.0.0/12" } as const;
const firstFlowAddresses = { proxied: "10.96.1.0", translated: "10.112.1.0" } as const;
const echoSeconds = 6 * 3600;
/** Interface indexes of a lab's links; see linkNamespaces. */
const firstLinkIndex = 100;

/** What stands between client and backend. */
export type EdgeKind = "proxy" | "router" | "translator";

/** A namespace of its own for each contender, so that none pays for the hooks, tables or sockets of another. */
export interface Edge {
  namespace: string;
  towardClient: string;
  towardBackend: string;
  /** The backend, as this edge reaches it. */
  backend: string;
  /** Source address of the first flow toward this edge; of the next ones the addresses that follow. */
  firstFlowAddress: string;
}

export interface BenchLab {
  name: string;
  directory: string;
  client: string;
  backend: string;
  edges: number;
  precedence: Precedence;
}

/** One client and one backend; edges join them. Needs root. */
export function createBenchLab(precedence: Precedence): BenchLab {
  removeStaleLabs();
  const name = nextLabName();
  const lab = {
    name,
    directory: labDirectory(name),
    client: `${name}-client`,
    backend: `${name}-backend`,
    edges: 0,
    precedence,
  };
  try {
    rmSync(lab.directory, { recursive: true, force: true });
    mkdirSync(lab.directory, { recursive: true, mode: 0o755 });
    for (const namespace of [lab.client, lab.backend]) createNamespace(namespace);
    ipInside(
      lab.client,
      Object.values(flowNetworks).map((network) => `route add local ${network} dev lo`),
    );
  } catch (error) {
    removeLab(name);
    throw error;
  }
  return lab;
}

/**
 * client 10.81.N.2 <-> 10.81.N.1 edge N 10.82.N.1 <-> 10.82.N.2 backend. Only a router and a translator forward IP
 * packets, and only one of each may be in a lab: the backend's routes to the client's flows lead through it.
 */
export function addEdge(lab: BenchLab, kind: EdgeKind): Edge {
  const number = lab.edges++;
  const flows = kind === "translator" ? "translated" : "proxied";
  const edge = {
    namespace: `${lab.name}-edge-${number}`,
    towardClient: `10.81.${number}.1`,
    towardBackend: `10.82.${number}.1`,
    backend: `10.82.${number}.2`,
    firstFlowAddress: firstFlowAddresses[flows],
  };
  createNamespace(edge.namespace, { "ipv4/ip_forward": kind === "proxy" ? 0 : 1 });
  const index = firstLinkIndex + number;
  linkNamespaces(
    { namespace: lab.client, device: `edge${number}`, addresses: [`10.81.${number}.2/24`] },
    { namespace: edge.namespace, device: "client", addresses: [`${edge.towardClient}/24`] },
    index,
  );
  linkNamespaces(
    { namespace: lab.backend, device: `edge${number}`, addresses: [`${edge.backend}/24`] },
    { namespace: edge.namespace, device: "backend", addresses: [`${edge.towardBackend}/24`] },
    index,
  );
  ipInside(edge.namespace, [`route add ${flowNetworks[flows]} via 10.81.${number}.2`]);
  const returns = [flowNetworks[flows], `10.81.${number}.0/24`];
  if (kind !== "proxy")
    ipInside(
      lab.backend,
      returns.map((network) => `route add ${network} via ${edge.towardBackend}`),
    );
  if (kind === "router") ipInside(lab.client, [`route add ${edge.backend} via ${edge.towardClient}`]);
  return edge;
}

/** Starts a program of the measurement. */
export function startAhead(
  { directory, precedence }: BenchLab,
  plan: Pick<ChildPlan, "name" | "namespace" | "command">,
): Child {
  const logFile = join(directory, `${plan.name.replaceAll(/\W+/g, "-")}.log`);
  return startChild({ ...plan, command: [...precedences[precedence], ...plan.command], logFile });
}

/** Starts a program of the measurement and waits until it has bound its port. */
export async function startServing(
  lab: BenchLab,
  plan: Pick<ChildPlan, "name" | "namespace" | "command">,
  port: number,
): Promise<Child> {
  const child = startAhead(lab, plan);
  await untilReady(child, () => udpPortBound(child.pid, port, ["udp"]));
  return child;
}

export function startEcho(lab: BenchLab): Promise<Child> {
  const command = [join(programs, "udp_echo"), String(backendPort), String(echoSeconds)];
  return startServing(lab, { name: "udp_echo", namespace: lab.backend, command }, backendPort);
}

/** The network of further addresses of the backend. */
const moreBackends = "10.83.0.0/24";

/** Addresses at which the one echo answers as many backends, for the proxy of this edge. At most 254. */
export function addBackends(lab: BenchLab, edge: Edge, count: number): string[] {
  ipInside(lab.backend, [`route replace local ${moreBackends} dev lo`]);
  ipInside(edge.namespace, [`route add ${moreBackends} via ${edge.backend}`]);
  return Array.from({ length: count }, (_, index) => `10.83.0.${index + 1}`);
}
