import { existsSync, mkdirSync, readFileSync, renameSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Certificates } from "./certificates.ts";
import type { Daemon, DaemonPlan } from "./daemon.ts";

/** What a running cluster is remembered by, in `state.json` of its directory. */
export interface State {
  /** Set once everything is up. */
  ready: boolean;
  /** On 127.0.0.1 of the machine. */
  apiPort: number;
  certificates: Certificates;
  /** How to start it again. */
  apiServer: DaemonPlan;
  /** By name. */
  daemons: Record<string, Daemon>;
  /** Mount points that had to be made on the machine, parents first. */
  madeDirectories: string[];
}

export function readState(directory: string): State | undefined {
  const file = join(directory, "state.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as State) : undefined;
}

export function writeState(directory: string, state: State): void {
  const file = join(directory, "state.json");
  writeFileSync(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}

/** Makes a directory of the machine that something will be mounted on, and remembers what was not there. */
export function makeMountPoint(directory: string, state: State): void {
  const missing: string[] = [];
  for (let path = directory; !existsSync(path); path = dirname(path)) missing.unshift(path);
  mkdirSync(directory, { recursive: true });
  state.madeDirectories.push(...missing);
}

/** Removes what makeMountPoint made, as far as nobody put anything into it. */
export function removeMountPoints({ madeDirectories }: State): void {
  for (const directory of madeDirectories.toReversed()) {
    try {
      rmdirSync(directory);
    } catch (error) {
      if (!["ENOENT", "ENOTEMPTY"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
}
