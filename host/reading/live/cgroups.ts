import type { RawSource } from "../raw.ts";
import { cgroupSource, MEMORY_CGROUP } from "../sources.ts";
import { reasonOf } from "./reason.ts";
import type { HostSystem } from "./system.ts";

const MOST_CGROUPS = 32;
const MAXIMUM_BYTES = 64 * 1024;

interface Mount {
  /** Which cgroup is at its top. */
  readonly root: string;
  readonly path: string;
}

/** Where the unified hierarchy is mounted (proc(5), mountinfo). undefined: nowhere. */
function findMount(system: HostSystem): Mount | undefined {
  const text = system.readText("/proc/self/mountinfo", 16 * 1024 * 1024);
  const line = text.split("\n").find((each) => / - cgroup2 /.test(each));
  const [, , , root, path] = line?.split(" ") ?? [];
  return root === undefined || path === undefined ? undefined : { root, path };
}

/** The cgroup itself and those above it, in which a limit may lie as well; not the root, which has none. */
function withAncestors(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "");
  return parts.map((_, place) => `/${parts.slice(0, parts.length - place).join("/")}`);
}

function directoryOf({ root, path }: Mount, cgroup: string): string | undefined {
  if (cgroup.split("/").includes("..")) return undefined;
  if (root === "/") return `${path}${cgroup}`;
  return cgroup === root || cgroup.startsWith(`${root}/`) ? `${path}${cgroup.slice(root.length)}` : undefined;
}

function readOne(system: HostSystem, mount: Mount, cgroup: string): [string, RawSource][] {
  const directory = directoryOf(mount, cgroup);
  if (directory === undefined) {
    return [[cgroupSource(cgroup, "memory.events"), { error: "outside of what is mounted of the cgroups here" }]];
  }
  return MEMORY_CGROUP.map((file) => {
    try {
      return [cgroupSource(cgroup, file), { text: system.readText(`${directory}/${file}`, MAXIMUM_BYTES) }];
    } catch (error) {
      const absent = "the cgroup is gone, or memory is not among its controllers (cgroup v1)";
      return [cgroupSource(cgroup, file), { error: reasonOf(error, { absent, right: "root" }) }];
    }
  });
}

/** Memory events and limits of cgroups (v2) and of those above them. */
export function readCgroups(system: HostSystem, cgroups: readonly string[]): [string, RawSource][] {
  const all = [...new Set(cgroups.flatMap(withAncestors))].slice(0, MOST_CGROUPS);
  if (all.length === 0) return [];
  try {
    const mount = findMount(system);
    if (mount !== undefined) return all.flatMap((cgroup) => readOne(system, mount, cgroup));
    return all.map((cgroup) => [cgroupSource(cgroup, "memory.events"), { error: "cgroup v2 is not mounted here" }]);
  } catch (error) {
    const reason = reasonOf(error, { absent: "/proc is not mounted", right: "root" });
    return all.map((cgroup) => [cgroupSource(cgroup, "memory.events"), { error: reason }]);
  }
}
