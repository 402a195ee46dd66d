import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * The shared libraries that programs load at their start, as paths on this machine, with the loader itself. Throws
 * where one is missing here.
 */
export function librariesOf(programs: readonly string[]): string[] {
  return [...new Set(programs.flatMap((program) => parseLdd(execFileSync("ldd", [program], { encoding: "utf8" }))))];
}

/** Lines such as `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x...)` and `/lib64/ld-linux-x86-64.so.2 (0x...)`. */
export function parseLdd(text: string): string[] {
  const missing = [...text.matchAll(/^\s*(\S+) => not found/gm)].map(([, name]) => name);
  if (missing.length > 0) throw new Error(`shared libraries that are not on this machine: ${missing.join(", ")}`);
  return [...text.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x/gm)].map(([, path]) => path!);
}

/**
 * Copies libraries into an image's root, each under the name that programs ask for. All but the loader go to where the
 * C library is: the loader looks there without the cache that ldconfig would make.
 */
export function copyLibraries(libraries: readonly string[], root: string): void {
  const libc = libraries.find((path) => basename(path) === "libc.so.6");
  if (libc === undefined) throw new Error("no libc.so.6 among the libraries: the image is made for glibc alone");
  for (const path of libraries) {
    const target = isLoader(path) ? path : join(dirname(libc), basename(path));
    mkdirSync(dirname(join(root, target)), { recursive: true });
    copyFileSync(realpathSync(path), join(root, target));
  }
}

function isLoader(path: string): boolean {
  return basename(path).startsWith("ld-linux");
}

/** Debian's statement of the licence of each library's package, by the package's name; none on another system. */
export function libraryLicences(libraries: readonly string[]): Map<string, string> {
  const licences = new Map<string, string>();
  for (const path of libraries) {
    const name = packageOf(realpathSync(path));
    if (name !== undefined) licences.set(name, readFileSync(`/usr/share/doc/${name}/copyright`, "utf8"));
  }
  return licences;
}

function packageOf(path: string): string | undefined {
  // dpkg knows a file by one of both names where /lib is a link to /usr/lib.
  for (const name of [path, path.replace(/^\/usr/, "")]) {
    try {
      return /^([^:,]+)/.exec(execFileSync("dpkg", ["-S", name], { encoding: "utf8", stdio: "pipe" }))![1];
    } catch {}
  }
  return undefined;
}
