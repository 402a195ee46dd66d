import { execFileSync } from "node:child_process";
import {
  accessSync,
  constants,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { type Dpkg, readDpkg } from "./dpkg.ts";

/*
 * A PATH as a fresh supported system has it once setup/packages.sh installed the groups of a target: a program that the
 * tests start and that nothing installs is then missing on every machine, also where somebody has it.
 */

/** A group of setup/packages.sh. */
export type Group = "build" | "native" | "lab" | "fault" | "image" | "cluster" | "interop" | "bench" | "lint" | "fuzz";

/** What README.md asks for before anything is installed. */
const presupposed = ["node", "npm", "npx", "git", "c++", "make"];
/** Used where they are there, done without where they are not; each use is a test that says so or has another way. */
const optional = ["cargo", "rustc", "go", "docker", "kind", "kubectl", "helm", "ccache"];
/** Programs of the caller's choice. */
const named = ["CC", "CXX", "CMAKE_C_COMPILER_LAUNCHER", "CMAKE_CXX_COMPILER_LAUNCHER"];
/** Where the PATH of an ordinary user does not look. */
const systemDirectories = ["/usr/sbin", "/sbin"];

const root = resolve(import.meta.dirname, "../..");

export interface FreshPathOptions {
  groups: readonly Group[];
  /** Lines of setup/packages.sh: group, proof, package. Default: what it prints. */
  needs?: readonly string[];
  /** Where the directories of links are. Default: build/path. */
  directory?: string;
  /** Default: that of this process. */
  env?: NodeJS.ProcessEnv;
  /** Of dpkg. */
  database?: string;
}

export interface FreshPath {
  path: string;
  /** Why it is the PATH as it was; absent when it is not. */
  asItWas?: string;
}

function readNeeds(): string[] {
  return execFileSync(join(root, "setup/packages.sh"), ["--needs"], { encoding: "utf8" }).trim().split("\n");
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** The file of a program on this PATH; where that is a link of ours, what it leads to. */
function find(program: string, path: string, directory: string): string | undefined {
  const folders = [...path.split(delimiter), ...systemDirectories].filter((folder) => folder.startsWith("/"));
  const file = folders.map((folder) => join(folder, program)).find(isProgram);
  return file?.startsWith(directory) ? readlinkSync(file) : file;
}

interface Request extends Required<Omit<FreshPathOptions, "database">> {
  dpkg: Dpkg;
}

/** The lines of these groups, in their three parts. */
function rowsOf(groups: readonly string[], needs: readonly string[]): string[][] {
  const rows = needs.map((line) => line.trim().split(/\s+/));
  const known = new Set(rows.map(([group]) => group!));
  const unknown = groups.filter((group) => !known.has(group));
  if (unknown.length > 0)
    throw new Error(`setup/packages.sh has no group ${unknown.join(", ")}; there are ${[...known].join(", ")}`);
  return rows.filter(([group]) => groups.includes(group!));
}

function programsOf({ groups, needs, env, directory, dpkg }: Request): Map<string, string> {
  const rows = rowsOf(groups, needs);
  const programs = dpkg.programs(dpkg.closure([...dpkg.everywhere(), ...rows.map(([, , name]) => name!)]));
  // What proves a package may have come by another way than dpkg's.
  const proofs = rows.map(([, proof]) => proof!).filter((proof) => !proof.startsWith("/"));
  const chosen = named.flatMap((name) => (env[name] ?? "").split(/\s+/)).filter((word) => /^[^/-][^/]*$/.test(word));
  for (const program of [...presupposed, ...proofs, ...optional, ...chosen]) {
    const file = programs.get(program) ?? find(program, env.PATH ?? "", directory);
    if (file !== undefined) programs.set(program, file);
  }
  return programs;
}

/** Changes what differs, one link at a time: other runs may be using the directory. */
function link(directory: string, programs: ReadonlyMap<string, string>): void {
  mkdirSync(directory, { recursive: true });
  for (const name of readdirSync(directory)) if (!programs.has(name)) rmSync(join(directory, name), { force: true });
  for (const [name, file] of programs) {
    const path = join(directory, name);
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() && readlinkSync(path) === file) continue;
    const draft = `${directory}.${process.pid}`;
    symlinkSync(file, draft);
    renameSync(draft, path);
  }
}

/**
 * A PATH of node_modules/.bin and one directory of links for these groups, which is made or brought up to date. Stays as it
 * is, and says why, where nothing tells what a fresh system has.
 */
export function freshPath(options: FreshPathOptions): FreshPath {
  const { groups, env = process.env, directory = join(root, "build/path") } = options;
  const path = env.PATH ?? "";
  if (groups.includes("cluster") && env.E2E_KUBECONFIG) {
    return { path, asItWas: "E2E_KUBECONFIG names a cluster that may want programs of this machine" };
  }
  const dpkg = readDpkg(options.database);
  if (dpkg === undefined) return { path, asItWas: "only where dpkg is can it be told what a fresh system has" };
  const links = join(directory, groups.join("-"));
  link(links, programsOf({ groups, needs: options.needs ?? readNeeds(), env, directory, dpkg }));
  return { path: [join(root, "node_modules/.bin"), links].join(delimiter) };
}
