import { readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Child, type ChildPlan, logEnd, startChild, udpPortBound, untilReady } from "../../proxy/lab/child.ts";
import { ipInside, removeLab } from "../../proxy/lab/namespace.ts";
import { createTopology, type Topology } from "../../proxy/lab/topology.ts";

export const echoPort = 4433;
/**
 * Every program of the measurement comes before other work on the machine, which disturbs less so. A session of its own
 * is a group of its own to the scheduler where autogroups are on: there the niceness of the group counts.
 */
const ahead = ["sh", "-c", '{ echo -10 >/proc/self/autogroup; } 2>/dev/null; exec nice -n -10 "$@"', "sh"];
const programs = resolve(import.meta.dirname, "../../build/bench");
/** The client's flows come from addresses of this network, one each. */
const flowNetwork = "10.80.0.0/16";
const firstFlowAddress = "10.80.1.0";
const echoSeconds = 6 * 3600;

export interface BenchLab {
  topology: Topology;
  echoAddress: string;
  echo: Child;
}

/** Client, edge and one backend that echoes; the edge also forwards IP packets, for the measurement without a proxy. */
export async function createBenchLab(): Promise<BenchLab> {
  const topology = createTopology({ backends: 1, routed: true });
  try {
    return await openLab(topology);
  } catch (error) {
    removeLab(topology.name);
    throw error;
  }
}

async function openLab(topology: Topology): Promise<BenchLab> {
  const { client, edge, backends } = topology;
  ipInside(client.namespace, [`route add local ${flowNetwork} dev lo`]);
  ipInside(edge.namespace, [`route add ${flowNetwork} via ${client.own.v4}`]);
  ipInside(backends[0]!.namespace, [`route add ${flowNetwork} via ${edge.towardBackends.v4}`]);
  const command = [join(programs, "udp_echo"), String(echoPort), String(echoSeconds)];
  const plan = { name: "udp_echo", namespace: backends[0]!.namespace, command };
  return { topology, echoAddress: backends[0]!.v4, echo: await startMeasured(topology, plan, echoPort) };
}

/** Starts a program of the measurement and waits until it has bound its port. */
export async function startMeasured(
  { directory }: Topology,
  plan: Pick<ChildPlan, "name" | "namespace" | "command">,
  port: number,
): Promise<Child> {
  const logFile = join(directory, `${plan.name.replaceAll(/\W+/g, "-")}.log`);
  const child = startChild({ ...plan, command: [...ahead, ...plan.command], logFile });
  await untilReady(child, () => udpPortBound(child.pid, port, ["udp"]));
  return child;
}

/** What udp_load prints. */
export interface LoadReport {
  sent: number;
  received: number;
  /** Of those sent: refused by the kernel. */
  failed: number;
  seconds: number;
  p50Us: number;
  p99Us: number;
  /** User and system time of the load generator itself. */
  cpuUs: number;
}

export interface LoadPlan {
  address: string;
  port: number;
  flows: number;
  /** Datagrams per second. */
  rate: number;
  /** Datagrams that leave together. */
  burst: number;
  count: number;
}

/** Sends and waits for the echoes. */
export async function runLoad({ topology }: BenchLab, plan: LoadPlan): Promise<LoadReport> {
  const { address, port, flows, rate, count, burst } = plan;
  const numbers = [flows, rate, count, burst].map(String);
  const command = [join(programs, "udp_load"), address, String(port), firstFlowAddress, ...numbers];
  const logFile = join(topology.directory, "udp_load.log");
  rmSync(logFile, { force: true });
  const { namespace } = topology.client;
  const child = startChild({ name: "udp_load", namespace, command: [...ahead, ...command], logFile });
  const code = await child.exited;
  if (code !== 0) throw new Error(`udp_load ended with ${code}: ${logEnd(logFile)}`);
  return JSON.parse(readFileSync(logFile, "utf8")) as LoadReport;
}
