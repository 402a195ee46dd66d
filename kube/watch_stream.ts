const NEWLINE = 10;
/** An object of the API server is at most about 3 MiB; a line that grows beyond is no event. */
const LINE_MAX_BYTES = 16 * 1024 * 1024;

/** A body as text. */
export async function readText(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

/** The lines of a body as they arrive. `onActivity` is called with every piece, also of a line that is not whole yet. */
export async function* readLines(body: AsyncIterable<Buffer>, onActivity: () => void): AsyncGenerator<string, void> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of body) {
    onActivity();
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([...pending, chunk.subarray(start, end)]).toString("utf8");
      pending = [];
      pendingBytes = 0;
      start = end + 1;
      if (line.length > 0) yield line;
    }
    pending.push(chunk.subarray(start));
    pendingBytes += chunk.length - start;
    if (pendingBytes > LINE_MAX_BYTES) throw new Error(`a line of a watch is longer than ${LINE_MAX_BYTES} octets`);
  }
}
