import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

/*
 * State of the whole machine that a scene changes. A guard puts it back: a process of its own, in a session of its own, that
 * waits for its standard input to end. That happens when the scene is over, and as well when this process fails or is killed.
 * There is one guard at a time on a machine: of two the second would put back what the first has changed.
 */

const LOCK = "/run/quicproxy-fault.lock";
const LOCK_SECONDS = 45;

const GUARD = `
trap '' INT TERM HUP QUIT
exec 9>>"$LOCK"
flock -w ${LOCK_SECONDS} 9 || { echo "another run holds $LOCK for more than ${LOCK_SECONDS} s" >&2; exit 1; }
old=$(cat "$FILE") || exit 1
echo "$NEW" >"$FILE" || exit 1
echo changed
read -r _
echo "$old" >"$FILE"
`;

/** A file below /proc/sys with other words in it. */
export class ChangedFile {
  readonly #file: string;
  readonly #guard: ChildProcess;
  readonly #closed: Promise<unknown>;

  private constructor(file: string, guard: ChildProcess) {
    this.#file = file;
    this.#guard = guard;
    this.#closed = once(guard, "close");
  }

  /** Throws where the kernel does not take the words. */
  static async change(file: string, words: string): Promise<ChangedFile> {
    const env = { ...process.env, LOCK, FILE: file, NEW: words };
    const guard = spawn("/bin/sh", ["-c", GUARD], { env, stdio: ["pipe", "pipe", "pipe"], detached: true });
    let said = "";
    guard.stderr!.on("data", (text) => (said += text));
    const changed = new ChangedFile(file, guard);
    const isChanged = await Promise.race([
      once(guard.stdout!, "data").then(() => true),
      changed.#closed.then(() => false),
    ]);
    if (!isChanged) throw new Error(`${file} does not take "${words}": ${said.trim()}`);
    return changed;
  }

  /** What stood there stands there again. Throws where the kernel does not take it back. */
  async restore(): Promise<void> {
    this.#guard.stdin!.end();
    await this.#closed;
    if (this.#guard.exitCode !== 0) throw new Error(`${this.#file} is not as it was: put it back by hand`);
  }
}
