import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { untilTrue } from "../../net/process.ts";
import type { Stage } from "./stage.ts";

const MEMORY = /\bmemory\b/;

function mountPoint(): string | undefined {
  const mounts = readFileSync("/proc/mounts", "utf8").split("\n");
  return mounts.map((line) => line.split(" ")).find(([, , type]) => type === "cgroup2")?.[1];
}

/** Why no cgroup with a limit of memory can be made on this machine. */
export function memoryCgroupMissing(): string | undefined {
  const mount = mountPoint();
  if (mount === undefined) return "cgroup v2 is not mounted";
  try {
    const handedDown = readFileSync(join(mount, "cgroup.subtree_control"), "utf8");
    return MEMORY.test(handedDown) ? undefined : `${mount} hands no memory controller down (cgroup v1 may have it)`;
  } catch (error) {
    return `${mount}: ${(error as Error).message}`;
  }
}

/** A cgroup with this limit, gone with the stage. Returns the file that takes the process ids of its members. */
export function makeMemoryCgroup(stage: Stage, maxBytes: number): string {
  const directory = join(mountPoint()!, `quicproxy-fault-${stage.name}`);
  mkdirSync(directory, { recursive: true });
  stage.later(() =>
    untilTrue(`${directory} is left`, () => {
      try {
        rmdirSync(directory);
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EBUSY") return false;
        throw error;
      }
    }),
  );
  writeFileSync(join(directory, "memory.max"), String(maxBytes));
  return join(directory, "cgroup.procs");
}
