import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Child, startChild, untilReady } from "./child.ts";
import type { MappingPlan, MappingReport } from "./nat.ts";
import type { Topology } from "./topology.ts";

export interface Nat {
  child: Child;
  /** Ends the translation and tells what crossed each mapping. */
  stop(): Promise<MappingReport[]>;
}

/** Starts address translation inside the client's namespace. */
export async function startNat({ client, directory }: Topology, plans: readonly MappingPlan[]): Promise<Nat> {
  const planFile = join(directory, "nat.json");
  const logFile = join(directory, "nat.log");
  writeFileSync(planFile, JSON.stringify(plans));
  writeFileSync(logFile, "");
  const child = startChild({
    name: "address translation",
    namespace: client.namespace,
    command: [process.execPath, join(import.meta.dirname, "nat.ts"), planFile],
    logFile,
  });
  await untilReady(child, () => readFileSync(logFile, "utf8").includes("ready"));
  const stop = async (): Promise<MappingReport[]> => {
    await child.stop();
    const line = readFileSync(logFile, "utf8").trimEnd().split("\n").at(-1)!;
    return JSON.parse(line) as MappingReport[];
  };
  return { child, stop };
}

/** Whether data crossed both before and after the change of address. */
export function changedDuringTransfer({ received, sent }: MappingReport): boolean {
  return sent.every((count) => count > 0) && received.every((count) => count > 0);
}
