import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { logEnd } from "../../proxy/lab/child.ts";
import { type BenchLab, programs, startAhead } from "./lab.ts";

/** What udp_load prints. */
export interface LoadReport {
  sent: number;
  received: number;
  /** Of those sent: refused by the kernel. */
  failed: number;
  /** How long it took to send them. */
  seconds: number;
  p50Us: number;
  p99Us: number;
  /** User and system time of the load generator itself. */
  cpuUs: number;
}

export interface LoadTarget {
  address: string;
  port: number;
  firstFlowAddress: string;
}

export interface LoadPlan {
  flows: number;
  /** Datagrams per second. */
  rate: number;
  /** Datagrams that leave together. */
  burst: number;
  /** Datagrams of one flow that leave as one buffer. */
  train: number;
  count: number;
}

/** Sends and waits for the echoes. */
export async function runLoad(lab: BenchLab, target: LoadTarget, plan: LoadPlan): Promise<LoadReport> {
  const { address, port, firstFlowAddress } = target;
  const { flows, rate, count, burst, train } = plan;
  const numbers = [flows, rate, count, burst, train].map(String);
  const command = [join(programs, "udp_load"), address, String(port), firstFlowAddress, ...numbers];
  rmSync(join(lab.directory, "udp_load.log"), { force: true });
  const child = startAhead(lab, { name: "udp_load", namespace: lab.client, command });
  const code = await child.exited;
  if (code !== 0) throw new Error(`udp_load ended with ${code}: ${logEnd(child.logFile)}`);
  return JSON.parse(readFileSync(child.logFile, "utf8")) as LoadReport;
}
