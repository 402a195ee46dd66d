import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { basename, delimiter, join } from "node:path";
import { ensureGo } from "./go.ts";

/*
 * The programs of a cluster, built from Go modules and kept by version outside the work tree. A second start finds
 * them there.
 */

const tools = join(import.meta.dirname, "tools");
const moduleFile = join(tools, "go.mod");

export const kubernetesVersion = /k8s\.io\/kubernetes (v\S+)/.exec(readFileSync(moduleFile, "utf8"))![1]!;

export const kubernetesPrograms = [
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kubelet",
  "kube-proxy",
  "kubectl",
] as const;

export type Program = (typeof kubernetesPrograms)[number] | keyof typeof installed;

/** Installed by module path and version: none of them can be required beside k8s.io/kubernetes. */
const installed = {
  helm: { module: "helm.sh/helm/v4/cmd/helm", version: "v4.3.1", stamp: "helm.sh/helm/v4/internal/version.version" },
  /** Many still use it; the chart is for both. */
  helm3: { module: "helm.sh/helm/v3/cmd/helm", version: "v3.22.0", stamp: "helm.sh/helm/v3/internal/version.version" },
  kind: { module: "sigs.k8s.io/kind", version: "v0.31.0", stamp: undefined },
} as const;

function isInstalled(program: Program): program is keyof typeof installed {
  return Object.hasOwn(installed, program);
}

/** The file's name: the last part of the module's path. */
function fileName(program: Program): string {
  return isInstalled(program) ? basename(installed[program].module) : program;
}

function cacheDirectory(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "quicproxy");
}

/** Where a program is, or will be once it is built. */
export function programPath(program: Program): string {
  const name = fileName(program);
  const folder = isInstalled(program) ? `${name}-${installed[program].version}` : kubernetesVersion;
  return join(cacheDirectory(), folder, "bin", name);
}

export type Say = (text: string) => void;

/** Builds those of the programs that are not in the cache. The first build takes about 10 minutes on 2 cores. */
export async function ensurePrograms(programs: readonly Program[], say: Say): Promise<void> {
  const missing = programs.filter((program) => !existsSync(programPath(program)));
  if (missing.length === 0) return;
  const go = ensureGo({ moduleFile, cacheDirectory: cacheDirectory(), say });
  say(`building ${missing.length} programs from Go modules into ${cacheDirectory()}, once; about 10 min on 2 cores`);
  for (const [index, program] of missing.entries()) {
    await build(go, program, { label: `${program} (${index + 1} of ${missing.length})`, say });
  }
}

/** The name of a program that is on PATH, else its path in the cache, where it is built if need be. */
export async function ensureProgram(program: Exclude<Program, "helm3">, say: Say): Promise<string> {
  const directories = (process.env.PATH ?? "").split(delimiter);
  if (directories.some((directory) => existsSync(join(directory, program)))) return program;
  await ensurePrograms([program], say);
  return programPath(program);
}

interface Progress {
  label: string;
  say: Say;
}

async function build(go: string, program: Program, { label, say }: Progress): Promise<void> {
  const target = programPath(program);
  const parts = join(target, "..", `.${program}-${process.pid}`);
  mkdirSync(parts, { recursive: true });
  try {
    const [args, cwd] = isInstalled(program) ? installPlan(program) : buildPlan(program, parts);
    const started = Date.now();
    const elapsed = (): string => `${Math.round((Date.now() - started) / 1000)} s`;
    say(`building ${label}`);
    const ticker = setInterval(() => say(`building ${label}: ${elapsed()}`), 30_000);
    try {
      await runGo(go, args, { cwd, binDirectory: parts });
    } finally {
      clearInterval(ticker);
    }
    // Whole or not at all: a build that was broken off leaves no program behind.
    renameSync(join(parts, fileName(program)), target);
    say(`built ${label} in ${elapsed()}`);
  } finally {
    rmSync(parts, { recursive: true, force: true });
  }
}

function buildPlan(program: string, directory: string): [string[], string] {
  const [major, minor] = kubernetesVersion.slice(1).split(".");
  // Without these the API server calls itself v0.0.0.
  const stamps = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].flatMap((path) => [
    `-X ${path}.gitVersion=${kubernetesVersion}`,
    `-X ${path}.gitMajor=${major}`,
    `-X ${path}.gitMinor=${minor}`,
    `-X ${path}.gitTreeState=clean`,
  ]);
  const flags = ["-trimpath", "-ldflags", ["-s", "-w", ...stamps].join(" ")];
  return [["build", ...flags, "-o", join(directory, program), `k8s.io/kubernetes/cmd/${program}`], tools];
}

function installPlan(program: keyof typeof installed): [string[], string] {
  const { module, version, stamp } = installed[program];
  const stamped = stamp === undefined ? "" : ` -X ${stamp}=${version}`;
  return [["install", "-trimpath", "-ldflags", `-s -w${stamped}`, `${module}@${version}`], cacheDirectory()];
}

interface GoRun {
  cwd: string;
  binDirectory: string;
}

async function runGo(go: string, args: readonly string[], { cwd, binDirectory }: GoRun): Promise<void> {
  const env = { ...process.env, CGO_ENABLED: "0", GOBIN: binDirectory, GOFLAGS: "" };
  const child = spawn(go, args, { cwd, env, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    said = (said + chunk).slice(-4_000);
  });
  const code = await new Promise<number | string>((resolve, reject) => {
    child.once("error", reject).once("close", (status, signal) => resolve(status ?? signal ?? "unknown"));
  });
  if (code !== 0) throw new Error(`go ${args[0]} ${args.at(-1)} ended with ${code}\n${said}`);
}
