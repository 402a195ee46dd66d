import { closeSync, constants, fstatSync, openSync, statfsSync } from "node:fs";
import { printable } from "../text/columns.ts";
import type { HostAddon } from "./addon.ts";
import { codeOf } from "./reason.ts";

/** The choice of a network namespace cannot be had; the message says why and what to do. */
export class NamespaceError extends Error {
  override readonly name = "NamespaceError";
}

/** NAME of /run/netns, a path such as /proc/7/ns/net, or the number of a process. */
function fileOf(choice: string): string {
  if (/^\d+$/.test(choice)) return `/proc/${choice}/ns/net`;
  return choice.includes("/") ? choice : `/run/netns/${choice}`;
}

const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: "there is none of this name: `ip netns` lists those with a name; a process that has ended has none",
  EACCES: "reading it needs root, or CAP_SYS_PTRACE for that of another user's process",
  EPERM: "entering it needs CAP_SYS_ADMIN (run as root)",
  EINVAL: "it is no network namespace: give a name of `ip netns`, a path such as /proc/PID/ns/net, or a process id",
};

function fail(choice: string, error: unknown): never {
  const code = codeOf(error) ?? "";
  const reason = REMEDIES[code] ?? (error instanceof Error ? error.message : String(error));
  throw new NamespaceError(`network namespace ${JSON.stringify(printable(choice))}: ${reason}`, { cause: error });
}

/** NSFS_MAGIC of linux/magic.h: the file system of namespaces. */
const NSFS = 0x6e736673;

/** Opens nothing but a namespace: to open a device or a FIFO may do something. */
function openNamespace(choice: string): number {
  if (choice === "" || choice === "." || choice === ".." || choice.includes("\0")) {
    throw new NamespaceError(`network namespace ${JSON.stringify(printable(choice))}: ${REMEDIES.EINVAL}`);
  }
  try {
    const file = fileOf(choice);
    if (statfsSync(file).type !== NSFS) throw Object.assign(new Error("not of nsfs"), { code: "EINVAL" });
    return openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return fail(choice, error);
  }
}

/**
 * Runs a synchronous function with the main thread in another network namespace, and comes back whatever it throws. Nothing
 * else of JavaScript runs meanwhile; threads of addons stay where they are. Throws NamespaceError before it runs anything.
 */
export function inNamespace<Result>(addon: HostAddon, choice: string, run: () => Result): Result {
  const target = openNamespace(choice);
  try {
    const home = openSync("/proc/thread-self/ns/net", constants.O_RDONLY);
    try {
      try {
        addon.enterNetworkNamespace(target);
      } catch (error) {
        fail(choice, error);
      }
      try {
        return run();
      } finally {
        addon.enterNetworkNamespace(home);
      }
    } finally {
      closeSync(home);
    }
  } finally {
    closeSync(target);
  }
}

/** The inode number by which the kernel tells this network namespace from others. Throws NamespaceError. */
export function namespaceInode(choice = "/proc/thread-self/ns/net"): number {
  const file = openNamespace(choice);
  try {
    return fstatSync(file).ino;
  } finally {
    closeSync(file);
  }
}
