import { constants, createReadStream, openSync } from "node:fs";
import { stat } from "node:fs/promises";
import { Socket } from "node:net";
import type { Fault } from "./fault.ts";

export const MAX_MANIFEST_BYTES = 16 * 1024 * 1024;

export type ReadResult = { ok: true; text: string } | { ok: false; faults: Fault[] };

const REMEDIES: Readonly<Record<string, readonly [what: string, allowed: string]>> = {
  ENOENT: ["does not exist", "the path of a manifest; - reads standard input"],
  EACCES: ["may not be read by this user", "a readable file; try: chmod a+r on it, or run as its owner"],
  EISDIR: ["is a directory", "one file in it; a directory of manifests is not read"],
  ERR_ENCODING_INVALID_ENCODED_DATA: ["is not UTF-8 text", "YAML in UTF-8"],
  ENOTDIR: ["has a part before the last that is not a directory", "the path of a manifest"],
};

/** Reads a manifest, or standard input where the file is "-". At most 16 MiB, UTF-8. Never throws for what the file is. */
export async function readManifestText(
  file: string,
  stdin: AsyncIterable<Buffer> = process.stdin,
): Promise<ReadResult> {
  try {
    const bytes = await collect(file === "-" ? stdin : await openFile(file));
    if (bytes === undefined) return unreadable(file, "is larger than 16 MiB", "a manifest of at most 16 MiB");
    return { ok: true, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    const [what, allowed] = REMEDIES[code] ?? [`cannot be read: ${message}`, "a readable file"];
    return unreadable(file, what, allowed);
  }
}

/**
 * A pipe is waited for by the event loop. A thread of libuv's that waits for a writer, as it would to open the pipe or to
 * read it, keeps the process from ending.
 */
async function openFile(file: string): Promise<AsyncIterable<Buffer>> {
  if (!(await stat(file)).isFIFO()) return createReadStream(file);
  return new Socket({ fd: openSync(file, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false });
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of stream) {
    total += chunk.length;
    if (total > MAX_MANIFEST_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function unreadable(file: string, what: string, allowed: string): ReadResult {
  return { ok: false, faults: [{ file, path: "", line: 0, column: 0, what, allowed }] };
}
