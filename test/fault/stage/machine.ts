import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

/*
 * State of the whole machine that a scene changes. A guard puts it back: a process of its own, in a session of its own, that
 * waits for its standard input to end. That happens when the scene is over, and as well when this process fails or is killed.
 */

const GUARD = `
trap '' INT TERM HUP QUIT
echo "$NEW" >"$FILE" || exit 1
echo changed
read -r _
echo "$OLD" >"$FILE"
`;

/** A file below /proc/sys with other words in it. */
export class ChangedFile {
  readonly #guard: ChildProcess;
  readonly #closed: Promise<unknown>;

  private constructor(guard: ChildProcess) {
    this.#guard = guard;
    this.#closed = once(guard, "close");
  }

  /** Throws where the kernel does not take the words. */
  static async change(file: string, words: string): Promise<ChangedFile> {
    const old = readFileSync(file, "utf8").trim();
    const env = { ...process.env, FILE: file, NEW: words, OLD: old };
    const guard = spawn("/bin/sh", ["-c", GUARD], { env, stdio: ["pipe", "pipe", "pipe"], detached: true });
    let said = "";
    guard.stderr!.on("data", (text) => (said += text));
    const changed = new ChangedFile(guard);
    const isChanged = await Promise.race([
      once(guard.stdout!, "data").then(() => true),
      changed.#closed.then(() => false),
    ]);
    if (!isChanged) throw new Error(`${file} does not take "${words}": ${said.trim()}`);
    return changed;
  }

  /** What stood there stands there again. */
  async restore(): Promise<void> {
    this.#guard.stdin!.end();
    await this.#closed;
  }
}
