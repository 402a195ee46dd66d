import { execFileSync } from "node:child_process";
import { join } from "node:path";

/** Compiles tools/drop.bpf.c into a directory. Returns the path of the object. */
export function dropProgram(directory: string): string {
  const object = join(directory, "drop.bpf.o");
  const multiarch = execFileSync("c++", ["-print-multiarch"], { encoding: "utf8" }).trim();
  const flags = ["-target", "bpf", "-mcpu=v3", "-g", "-O2", "-Wall", "-Werror", "-I", `/usr/include/${multiarch}`];
  const source = join(import.meta.dirname, "../tools/drop.bpf.c");
  execFileSync("clang-19", [...flags, "-c", source, "-o", object], { stdio: ["ignore", "pipe", "pipe"] });
  return object;
}
