import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { insideNamespace } from "./namespace.ts";

const run = promisify(execFile);

/** Gets a URL from inside a namespace. Throws when nothing answers within 5 s or the answer is not 2xx. */
export async function fetchInside(namespace: string, url: string): Promise<string> {
  const [file, args] = insideNamespace(namespace, [process.execPath, import.meta.filename, url]);
  const { stdout } = await run(file, args, { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

async function main(url: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
  const body = await response.text();
  if (!response.ok) throw new Error(`${url} answers ${response.status}: ${body.trim()}`);
  process.stdout.write(body);
}

if (import.meta.main) await main(process.argv[2]!);
