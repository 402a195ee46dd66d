import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openLog } from "../../../process/log.ts";
import { LogStream } from "../../../process/log_stream.ts";
import { type FormatOptions, formatted } from "../../../proxy/log_format.ts";

let directory: string;
let destination: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "quicproxy-log-"));
  destination = openSync(join(directory, "log"), "w");
});

afterEach(() => {
  closeSync(destination);
  rmSync(directory, { recursive: true });
});

/** What is in the file right after the call: the log is synchronous. */
function logged(options: FormatOptions): string {
  const log = openLog({ level: "info", controller: "proxy", through: formatted(options) }, new LogStream(destination));
  log.debug("not shown");
  log.warn({ workers: 2 }, "2 workers");
  return readFileSync(join(directory, "log"), "utf8");
}

it("writes one JSON object per line where there is no terminal, with words and times that people read", () => {
  for (const [index, format] of (["auto", "json"] as const).entries()) {
    const lines = logged({ format, isTerminal: false }).trim().split("\n");
    expect(lines).toHaveLength(index + 1);
    expect(JSON.parse(lines[index] ?? "")).toMatchObject({
      level: "warn",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      controller: "proxy",
      workers: 2,
      msg: "2 workers",
    });
  }
});

it("writes for people on a terminal, and where asked to", () => {
  expect(logged({ format: "auto", isTerminal: true })).toMatch(/^\[.*WARN.*2 workers/);
  expect(logged({ format: "pretty", isTerminal: false })).toMatch(/\n\[\d\d:\d\d:\d\d\.\d{3}\] WARN: 2 workers\n$/);
});
