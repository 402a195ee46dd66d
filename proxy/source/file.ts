import { createHash } from "node:crypto";
import { type FSWatcher, watch } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { onHangup } from "../../process/signals.ts";

export type ManifestCause = "SIGHUP" | "file";

export type ManifestEvent =
  | { kind: "changed"; text: string; cause: ManifestCause }
  /** Only after SIGHUP: whoever sent it wants an answer. */
  | { kind: "unchanged"; text: string; cause: "SIGHUP" }
  | { kind: "unreadable"; reasons: string[]; cause: ManifestCause };

export type ReadOutcome = { text: string } | { reasons: string[] };

export interface WatchOptions {
  /** Reads the file; never throws. */
  read(file: string): Promise<ReadOutcome>;
  onEvent(event: ManifestEvent): void | Promise<void>;
  /** What is in force: only other content is a change. */
  initialText: string;
  /** Writers are seldom done with their first write. */
  debounceMs?: number;
  /** For file systems and symbolic links that raise no events. */
  pollMs?: number;
  /** Calls back on SIGHUP; returns how to end that. */
  onHangup?: (act: () => void) => () => void;
}

export interface ManifestWatch {
  close(): void;
}

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

/** A name in the file's directory whose change may change the file; `..data` is how Kubernetes swaps a ConfigMap. */
function concerns(file: string, changedName: string | null): boolean {
  return changedName === null || changedName === basename(file) || changedName.startsWith("..");
}

/** The directory, not the file: a rename over the file ends a watch of the file itself. */
function watchDirectory(file: string, onChange: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(dirname(file), (_event, name) => {
      if (concerns(file, name)) onChange();
    });
    // The poll goes on without it.
    watcher.on("error", () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}

async function fingerprint(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(file, { bigint: true });
    return `${dev} ${ino} ${size} ${mtimeNs}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Reads the file and tells what changed since the last time; one unreadable state is reported once. */
class ManifestReader {
  readonly #file: string;
  readonly #readFile: WatchOptions["read"];
  #seen: string;

  constructor(file: string, { read, initialText }: WatchOptions) {
    this.#file = file;
    this.#readFile = read;
    this.#seen = hash(initialText);
  }

  async read(cause: ManifestCause): Promise<ManifestEvent | undefined> {
    const result = await this.#readFile(this.#file);
    if ("reasons" in result) {
      const isNew = this.#isNew(`unreadable ${result.reasons.join(" ")}`);
      return isNew || cause === "SIGHUP" ? { kind: "unreadable", reasons: result.reasons, cause } : undefined;
    }
    const { text } = result;
    if (this.#isNew(hash(text))) return { kind: "changed", text, cause };
    return cause === "SIGHUP" ? { kind: "unchanged", text, cause } : undefined;
  }

  #isNew(state: string): boolean {
    if (state === this.#seen) return false;
    this.#seen = state;
    return true;
  }
}

/**
 * Tells when the manifest's content changes: on SIGHUP, on a change in its directory (editors, atomic renames,
 * ConfigMap swaps), and by a slow poll where no event arrives. Events are delivered one after the other.
 * Never throws: an unreadable file is an event.
 */
export function watchManifest(file: string, options: WatchOptions): ManifestWatch {
  const { onEvent, debounceMs = 100, pollMs = 5000 } = options;
  const reader = new ManifestReader(file, options);
  let queue: Promise<void> = Promise.resolve();
  let debounce: NodeJS.Timeout | undefined;
  let lastFingerprint = "";
  let closed = false;
  let hangupWaits = false;

  const check = (cause: ManifestCause): void => {
    queue = queue.then(async () => {
      if (cause === "SIGHUP") hangupWaits = false;
      const event = closed ? undefined : await reader.read(cause);
      if (event && !closed) await onEvent(event);
    });
  };
  /** One that waits will see what is there for all that come meanwhile. */
  const checkOnHangup = (): void => {
    if (!hangupWaits) check("SIGHUP");
    hangupWaits = true;
  };
  const onChange = (): void => {
    clearTimeout(debounce);
    debounce = setTimeout(check, debounceMs, "file");
  };
  const onPoll = async (): Promise<void> => {
    const current = await fingerprint(file);
    if (current === lastFingerprint) return;
    lastFingerprint = current;
    check("file");
  };

  const watcher = watchDirectory(file, onChange);
  const poll = setInterval(onPoll, pollMs);
  const endHangups = (options.onHangup ?? onHangup)(checkOnHangup);
  return {
    close(): void {
      closed = true;
      endHangups();
      watcher?.close();
      clearTimeout(debounce);
      clearInterval(poll);
    },
  };
}
