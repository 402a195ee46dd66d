import { join } from "node:path";
import { insideNamespace, ip } from "../../proxy/lab/namespace.ts";

/** Runs a program inside a namespace to its end. Returns what it wrote to stdout, throws with what it wrote to stderr. */
export function inside(namespace: string, command: readonly string[]): string {
  const [, args] = insideNamespace(namespace, command);
  return ip(args);
}

/** The command line of a Python script of this folder. */
export const script = (name: string, ...args: readonly string[]): string[] => [
  "/usr/bin/python3",
  join(import.meta.dirname, name),
  ...args,
];
