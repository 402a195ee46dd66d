import type { RawSource } from "../raw.ts";
import type { SocketOwner } from "../reading.ts";
import { formatOwner, OWNERS_HEAD } from "../text/owners.ts";
import { codeOf, reasonOf } from "./reason.ts";
import type { HostSystem } from "./system.ts";

/** A machine full of processes is not looked through to its end. */
const LIMIT_MS = 1_000;
const LINE_BYTES = 4096;
const MOST_PROCESSES = 65_536;
const MOST_FILES = 65_536;
const RIGHT = "root, or CAP_SYS_PTRACE";

/** Text of a file of a process, or undefined when it has ended or is not ours to see. */
function lineOf(system: HostSystem, path: string): string | undefined {
  try {
    return system.readText(path, LINE_BYTES);
  } catch {
    return undefined;
  }
}

/** Processes of the present network namespace first, as they are likely to have its sockets; of these the youngest. */
function processes(system: HostSystem): number[] {
  const pids = system.list("/proc", MOST_PROCESSES).filter((name) => /^[1-9]\d*$/.test(name));
  const namespaceOf = (pid: string): string | undefined => {
    try {
      return system.readLink(`/proc/${pid}/ns/net`);
    } catch {
      return undefined;
    }
  };
  const ours = namespaceOf("self");
  const { near = [], far = [] } = Object.groupBy(pids, (pid) => (namespaceOf(pid) === ours ? "near" : "far"));
  return [...near.toReversed(), ...far.toReversed()].map(Number);
}

function inodeOf(system: HostSystem, path: string): number | undefined {
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(system.readLink(path))?.[1];
    return inode === undefined ? undefined : Number(inode);
  } catch {
    return undefined;
  }
}

/** `files`: how many were listed, which may be as many as are listed at most. */
function ownerOf(system: HostSystem, pid: number, files: number): SocketOwner {
  const command = lineOf(system, `/proc/${pid}/comm`)?.trimEnd() ?? "-";
  const cgroup = /^0::(\/.*)$/m.exec(lineOf(system, `/proc/${pid}/cgroup`) ?? "")?.[1];
  return { pid, command, ...(files < MOST_FILES && { openFiles: files }), ...(cgroup !== undefined && { cgroup }) };
}

class Search {
  readonly found = new Map<number, SocketOwner>();
  denied = 0;
  isOver = false;
  readonly #system: HostSystem;
  readonly #wanted: Set<number>;
  readonly #deadlineMs: number;

  constructor(system: HostSystem, wanted: ReadonlySet<number>) {
    this.#system = system;
    this.#wanted = new Set(wanted);
    this.#deadlineMs = system.steadyMs() + LIMIT_MS;
  }

  get isDone(): boolean {
    return this.#wanted.size === 0 || this.isOver;
  }

  lookInto(pid: number): void {
    const files = this.#filesOf(pid);
    let owner: SocketOwner | undefined;
    for (const [place, file] of files.entries()) {
      if (place % 64 === 0 && this.#system.steadyMs() > this.#deadlineMs) this.isOver = true;
      if (this.isDone) return;
      const inode = inodeOf(this.#system, `/proc/${pid}/fd/${file}`);
      if (inode === undefined || !this.#wanted.delete(inode)) continue;
      owner ??= ownerOf(this.#system, pid, files.length);
      this.found.set(inode, owner);
    }
  }

  #filesOf(pid: number): string[] {
    try {
      return this.#system.list(`/proc/${pid}/fd`, MOST_FILES);
    } catch (error) {
      if (["EACCES", "EPERM"].includes(codeOf(error) ?? "")) this.denied++;
      return [];
    }
  }
}

/** Why some of the sockets have no owner, if there is a reason beyond that nobody has them open. */
function notes({ denied, isOver, isDone }: Search): string[] {
  return [
    ...(denied > 0 && !(isDone && !isOver)
      ? [`# files of ${denied} processes are not ours to see: needs ${RIGHT}`]
      : []),
    ...(isOver ? [`# stopped after ${LIMIT_MS} ms: there are too many processes and open files`] : []),
  ];
}

/** Who has sockets open, by their inodes; text as parseOwners reads it. */
export function readOwners(system: HostSystem, inodes: ReadonlySet<number>): RawSource {
  try {
    const search = new Search(system, inodes);
    const pids = search.isDone ? [] : processes(system);
    for (const pid of pids) {
      search.lookInto(pid);
      if (search.isDone) break;
    }
    const lines = [...search.found].map(([inode, owner]) => formatOwner(inode, owner));
    return { text: [OWNERS_HEAD, ...lines, ...notes(search), ""].join("\n") };
  } catch (error) {
    return { error: reasonOf(error, { absent: "/proc is not mounted", right: RIGHT }) };
  }
}
