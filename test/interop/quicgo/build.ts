import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { QuicGoPrograms } from "../../../proxy/lab/quicgo.ts";
import { ensureGo } from "../../cluster/go.ts";

const root = resolve(import.meta.dirname, "../../..");
const modules = join(root, "examples/go");
const built = join(root, "build/go");

/** The programs of examples/go. The first build takes 1 to 2 minutes of CPU, a later one finds all in Go's cache. */
export function buildQuicGo(say: (text: string) => void = console.log): QuicGoPrograms {
  mkdirSync(built, { recursive: true });
  const go = ensureGo({ moduleFile: join(modules, "go.mod"), cacheDirectory: built, say });
  const run = (...args: string[]): void => {
    // Without cgo the programs need no shared library and run in an image that holds nothing else.
    const env = { ...process.env, CGO_ENABLED: "0" };
    execFileSync(go, args, { cwd: modules, env, stdio: ["ignore", "inherit", "inherit"] });
  };
  run("build", "-trimpath", "-o", `${built}/`, "./quicgo-server", "./quicgo-client");
  run("test", "./quiclb");
  return { server: join(built, "quicgo-server"), client: join(built, "quicgo-client") };
}
