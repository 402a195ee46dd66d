import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Hierarchy {
  mountPoint: string;
  version: 1 | 2;
}

/** Every cgroup file system of this machine, of both versions: some have both side by side. */
function hierarchies(): Hierarchy[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, , type]) => type === "cgroup" || type === "cgroup2")
    .map(([, mountPoint, type]) => ({ mountPoint: mountPoint!, version: type === "cgroup" ? 1 : 2 }));
}

/**
 * Makes a cgroup of this name in every hierarchy. Each kubelet needs one of its own as its root: two that share a root
 * end each other's pods.
 */
export function createCgroup(name: string): void {
  for (const { mountPoint, version } of hierarchies()) {
    const directory = join(mountPoint, name);
    mkdirSync(directory, { recursive: true });
    if (version === 2) delegateControllers(mountPoint, directory);
    // A new cpuset is empty and takes no process.
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
      const [from, to] = [join(mountPoint, file), join(directory, file)];
      if (version === 1 && existsSync(from)) writeFileSync(to, readFileSync(from, "utf8"));
    }
  }
}

function delegateControllers(parent: string, directory: string): void {
  const offered = readFileSync(join(parent, "cgroup.controllers"), "utf8").trim().split(" ").filter(Boolean);
  if (offered.length === 0) return;
  const line = offered.map((controller) => `+${controller}`).join(" ");
  for (const level of [parent, directory]) writeFileSync(join(level, "cgroup.subtree_control"), line);
}

function directoriesOf(name: string): string[] {
  return hierarchies()
    .map(({ mountPoint }) => join(mountPoint, name))
    .filter((directory) => existsSync(directory));
}

/** The processes in the cgroups of this name and below. */
export function processesInCgroup(name: string): number[] {
  return directoriesOf(name).flatMap(processesBelow);
}

function processesBelow(directory: string): number[] {
  try {
    const here = readFileSync(join(directory, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);
    return [...here, ...childrenOf(directory).flatMap(processesBelow)];
  } catch (error) {
    if (wentAway(error)) return [];
    throw error;
  }
}

/** Removes the cgroups of this name with everything below; no process may be in them any more. */
export function removeCgroup(name: string): void {
  for (const directory of directoriesOf(name)) removeBelow(directory);
}

function removeBelow(directory: string): void {
  try {
    for (const child of childrenOf(directory)) removeBelow(child);
    rmdirSync(directory);
  } catch (error) {
    if (!wentAway(error)) throw error;
  }
}

function childrenOf(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(directory, name));
}

function wentAway(error: unknown): boolean {
  return ["ENOENT", "ENODEV"].includes((error as NodeJS.ErrnoException).code ?? "");
}
