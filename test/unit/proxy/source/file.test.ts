import { EventEmitter } from "node:events";
import { writeFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type ManifestEvent,
  type ManifestWatch,
  type ReadOutcome,
  watchManifest,
} from "../../../../proxy/source/file.ts";

const DEBOUNCE_MS = 20;
const NEVER_MS = 1_000_000;

let directory: string;
let file: string;
let events: ManifestEvent[];
let signals: EventEmitter;
let watched: ManifestWatch | undefined;

async function read(path: string): Promise<ReadOutcome> {
  try {
    return { text: await readFile(path, "utf8") };
  } catch (error) {
    return { reasons: [(error as NodeJS.ErrnoException).code ?? ""] };
  }
}

const onHangup = (act: () => void): (() => void) => {
  signals.on("SIGHUP", act);
  return () => void signals.off("SIGHUP", act);
};

function watch(pollMs = NEVER_MS): void {
  const onEvent = (event: ManifestEvent) => void events.push(event);
  watched = watchManifest(file, { read, onEvent, initialText: "one", debounceMs: DEBOUNCE_MS, pollMs, onHangup });
}

/** The limit only keeps a broken run from lasting for ever. */
const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 30_000 });

/** By rename: whoever reads meanwhile sees the old content or the new one. */
async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

/** As an editor that truncates the file first. It is empty for a moment, but this process does nothing in between. */
const overwrite = (text: string): void => writeFileSync(file, text);

/** A change after all others: when it has been seen, whatever was to come from them has come. */
async function settle(): Promise<void> {
  await replace(file, "last");
  await eventually(() => expect(events.at(-1)).toMatchObject({ text: "last" }));
}

const seen = () => events.map((event) => ("text" in event ? event.text : event.kind));

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "quicproxy-source-"));
  file = join(directory, "edge.yaml");
  events = [];
  signals = new EventEmitter();
  await writeFile(file, "one");
});

afterEach(async () => {
  watched?.close();
  await rm(directory, { recursive: true });
});

describe("watchManifest", () => {
  it("tells of new content", async () => {
    watch();
    overwrite("two");
    await eventually(() => expect(events).toEqual([{ kind: "changed", text: "two", cause: "file" }]));
  });

  it("sees a file renamed over it, again and again", async () => {
    watch();
    for (const text of ["two", "three"]) {
      await replace(file, text);
      await eventually(() => expect(seen().at(-1)).toBe(text));
    }
    expect(seen()).toEqual(["two", "three"]);
  });

  it("sees a ConfigMap swap: a link to a directory replaced by another", async () => {
    await unlink(file);
    for (const [name, text] of [
      ["..1", "one"],
      ["..2", "two"],
    ] as const) {
      await mkdir(join(directory, name));
      await writeFile(join(directory, name, "edge.yaml"), text);
    }
    await symlink("..1", join(directory, "..data"));
    await symlink("..data/edge.yaml", file);
    watch();
    await symlink("..2", join(directory, "..data_tmp"));
    await rename(join(directory, "..data_tmp"), join(directory, "..data"));
    await eventually(() => expect(seen()).toEqual(["two"]));
  });

  it("says nothing of a file written with the same content, nor of its neighbours", async () => {
    watch();
    overwrite("one");
    await writeFile(join(directory, "other.yaml"), "other");
    await settle();
    expect(seen()).toEqual(["last"]);
  });
});

describe("watchManifest beside plain changes", () => {
  it("answers SIGHUP, changed or not", async () => {
    watch();
    signals.emit("SIGHUP");
    await eventually(() => expect(events).toEqual([{ kind: "unchanged", text: "one", cause: "SIGHUP" }]));
    await replace(file, "two");
    signals.emit("SIGHUP");
    await eventually(() => expect(seen()).toEqual(["one", "two"]));
  });

  it("reports a file that went away once, and its return with any content", async () => {
    watch();
    await unlink(file);
    await eventually(() => expect(events).toEqual([{ kind: "unreadable", reasons: ["ENOENT"], cause: "file" }]));
    await replace(file, "one");
    await eventually(() => expect(seen()).toEqual(["unreadable", "one"]));
  });

  it("polls where no event arrives, as behind a link into another directory", async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), "quicproxy-source-"));
    await writeFile(join(elsewhere, "target.yaml"), "one");
    await unlink(file);
    await symlink(join(elsewhere, "target.yaml"), file);
    watch(DEBOUNCE_MS);
    await replace(join(elsewhere, "target.yaml"), "two");
    await eventually(() => expect(seen()).toEqual(["two"]));
    await rm(elsewhere, { recursive: true });
  });

  it("delivers one event after the other", async () => {
    let running = 0;
    let overlaps = 0;
    const finished: string[] = [];
    const onEvent = async (event: ManifestEvent): Promise<void> => {
      if (++running > 1) overlaps++;
      await new Promise((resolve) => setTimeout(resolve, DEBOUNCE_MS * 2));
      running--;
      finished.push(event.kind);
    };
    watched = watchManifest(file, { read, onEvent, initialText: "one", pollMs: NEVER_MS, onHangup });
    for (let count = 1; count <= 3; count++) {
      signals.emit("SIGHUP");
      // The next comes while this one is being delivered.
      await eventually(() => expect(finished.length + running).toBe(count));
    }
    await eventually(() => expect(finished).toHaveLength(3));
    expect(overlaps).toBe(0);
  });

  it("reads once for all SIGHUPs that come before it reads", async () => {
    watch();
    for (let count = 0; count < 1000; count++) signals.emit("SIGHUP");
    await eventually(() => expect(events).toHaveLength(1));
    signals.emit("SIGHUP");
    await eventually(() => expect(events).toHaveLength(2));
    await settle();
    expect(seen()).toEqual(["one", "one", "last"]);
  });

  it("is quiet after close", async () => {
    watch(DEBOUNCE_MS);
    watched?.close();
    await writeFile(file, "two");
    signals.emit("SIGHUP");
    await new Promise((resolve) => setTimeout(resolve, DEBOUNCE_MS * 5));
    expect(events).toEqual([]);
    expect(signals.listenerCount("SIGHUP")).toBe(0);
  });
});
