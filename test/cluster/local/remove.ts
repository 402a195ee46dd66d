import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { processesInside } from "../../../proxy/lab/namespace.ts";
import { processesInCgroup, removeCgroup } from "./cgroups.ts";
import { readState, removeMountPoints } from "./state.ts";
import { hasNeighbour, planTopology, presentNamespaces, removeNetwork, type TopologyPlan } from "./topology.ts";

/**
 * Takes away every trace of the cluster of a directory, also of one that came up halfway or whose files are gone:
 * namespaces and cgroups go by names that follow from the directory, and only what runs in them is ended.
 * Returns whether there was anything.
 */
export async function removeCluster(directory: string, { keepLogs = false } = {}): Promise<boolean> {
  const plan = planTopology(directory);
  const anything = presentNamespaces(plan).length > 0 || existsSync(directory);
  await endProcesses(plan);
  removeNetwork(plan);
  for (const { cgroup } of plan.nodes) removeCgroup(cgroup);
  const state = readState(directory);
  // Removing a directory takes away what a neighbour has mounted on it, too.
  if (state !== undefined && !hasNeighbour(plan)) removeMountPoints(state);
  removeFiles(directory, keepLogs);
  return anything;
}

/** Everything that was started runs in a namespace of the cluster; what a pod runs, in a cgroup of its node. */
function processesOf(plan: TopologyPlan): number[] {
  const inNamespaces = presentNamespaces(plan).flatMap(processesInside);
  return [...inNamespaces, ...plan.nodes.flatMap(({ cgroup }) => processesInCgroup(cgroup))];
}

async function endProcesses(plan: TopologyPlan): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (let pids = processesOf(plan); pids.length > 0; pids = processesOf(plan)) {
    if (Date.now() > deadline) throw new Error(`processes ${pids.join(", ")} do not end`);
    for (const pid of new Set(pids)) kill(pid);
    await sleep(20);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function removeFiles(directory: string, keepLogs: boolean): void {
  if (!existsSync(directory)) return;
  for (const name of readdirSync(directory)) {
    if (!(keepLogs && name === "logs")) rmSync(join(directory, name), { recursive: true, force: true });
  }
  if (!keepLogs) rmSync(directory, { recursive: true });
}
