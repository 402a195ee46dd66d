import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, it, vi } from "vitest";
import { LogStream } from "../../../process/log_stream.ts";

const RETRY_MS = 5;
const KIB = 1024;
/** What a pipe holds (pipe(7)). */
const PIPE_BYTES = 64 * KIB;
const LIMIT = { timeout: 30_000 };

let directory: string;
/** Closed after the last test: the stream of an earlier one still writes to its number. */
let open: number[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "quicproxy-log-stream-"));
});

afterEach(() => rmSync(directory, { recursive: true }));
afterAll(() => {
  for (const fd of open) closeSync(fd);
});

const path = (): string => join(directory, "log");

function opened(flags: number | string): number {
  const fd = openSync(path(), flags);
  open.push(fd);
  return fd;
}

const close = (fd: number): void => {
  open = open.filter((other) => other !== fd);
  closeSync(fd);
};

interface Pipe {
  reader: number;
  writer: number;
}

function pipe(): Pipe {
  execFileSync("mkfifo", [path()]);
  const reader = opened(constants.O_RDONLY | constants.O_NONBLOCK);
  return { reader, writer: opened(constants.O_WRONLY) };
}

/** All that a pipe holds now. */
function readAll(reader: number): string {
  const part = Buffer.alloc(PIPE_BYTES);
  let text = "";
  try {
    for (let read = readSync(reader, part); read > 0; read = readSync(reader, part))
      text += part.toString("utf8", 0, read);
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe("EAGAIN");
  }
  return text;
}

/** A stream that says what was lost as `lost N REASON`. */
function streamOf(fd: number, maxWaitingBytes = PIPE_BYTES): LogStream {
  const stream = new LogStream(fd, { maxWaitingBytes, retryMs: RETRY_MS });
  stream.onLoss = (lost, reason) => stream.write(`lost ${lost} ${reason}\n`);
  return stream;
}

const line = (number: number, bytes: number): string => `${String(number).padEnd(bytes - 1, ".")}\n`;
const numbers = (text: string): number[] => text.trimEnd().split("\n").map(Number.parseFloat);

it("has written a line when the call returns", () => {
  const stream = streamOf(opened("w"));
  stream.write("one\n");
  expect(readFileSync(path(), "utf8")).toBe("one\n");
});

it("shares a file's place with others that write there", () => {
  const fd = opened("w");
  const stream = streamOf(fd);
  writeFileSync(fd, "theirs\n");
  stream.write("ours\n");
  writeFileSync(fd, "theirs\n");
  expect(readFileSync(path(), "utf8")).toBe("theirs\nours\ntheirs\n");
});

it("does not wait for a pipe that nobody reads, and every line comes in order once somebody does", async () => {
  const { reader, writer } = pipe();
  const stream = streamOf(writer);
  // More than the pipe holds, in lines that it takes in parts; all else finds room in the queue.
  const count = 12;
  for (let number = 0; number < count; number++) stream.write(line(number, 10 * KIB));
  let text = "";
  await vi.waitFor(() => {
    text += readAll(reader);
    expect(text.length).toBe(count * 10 * KIB);
  }, LIMIT);
  expect(numbers(text)).toEqual([...Array(count).keys()]);
  expect(stream.lost).toBe(0);
});

it("leaves the pipe as it is for others", () => {
  const { writer } = pipe();
  const flags = (): string | undefined =>
    /flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${writer}`, "utf8"))?.[1];
  const before = flags();
  streamOf(writer);
  expect(flags()).toBe(before);
});

it("keeps no more than it may, counts what is lost, and says so when there is room again", async () => {
  const { reader, writer } = pipe();
  const stream = streamOf(writer, 20 * KIB);
  for (let number = 0; number < 1000; number++) stream.write(line(number, KIB));
  const held = (PIPE_BYTES + 20 * KIB) / KIB;
  expect(stream.lost).toBe(1000 - held);
  let text = "";
  await vi.waitFor(() => {
    text += readAll(reader);
    expect(text).toContain("lost");
  }, LIMIT);
  const lines = text.trimEnd().split("\n");
  expect(lines.pop()).toBe(`lost ${1000 - held} nobody reads the pipe`);
  expect(numbers(lines.join("\n"))).toEqual([...Array(held).keys()]);
  expect(stream.lost).toBe(1000 - held);
});

it("survives a reader that goes away, and says what was lost to the next one", async () => {
  const { reader, writer } = pipe();
  const stream = streamOf(writer);
  stream.write("one\n");
  expect(readAll(reader)).toBe("one\n");
  close(reader);
  for (let count = 0; count < 3; count++) stream.write("unread\n");
  await new Promise((wake) => setTimeout(wake, RETRY_MS * 30));
  expect(stream.lost).toBe(3);
  const next = opened(constants.O_RDONLY | constants.O_NONBLOCK);
  let text = "";
  await vi.waitFor(() => {
    text += readAll(next);
    expect(text).toBe("lost 3 EPIPE\n");
  }, LIMIT);
});

it("starts on a pipe whose reader is gone already", () => {
  const { reader, writer } = pipe();
  close(reader);
  const stream = streamOf(writer);
  stream.write("one\n");
  expect(stream.lost).toBe(1);
});

it("flushes what waits, but does not wait for ever", async () => {
  const { reader, writer } = pipe();
  const stream = streamOf(writer);
  for (let number = 0; number < 100; number++) stream.write(line(number, KIB));
  await stream.flush(1);
  expect(numbers(readAll(reader))).toHaveLength(64);
  await stream.flush(LIMIT.timeout);
  expect(numbers(readAll(reader))).toHaveLength(36);
});
