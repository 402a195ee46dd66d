import { constants, fstatSync, openSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { isatty } from "node:tty";

export interface LogStreamOptions {
  /** Octets of lines that wait while a pipe is full; a line beyond is lost. */
  readonly maxWaitingBytes?: number;
  /** How often what waits is tried again; what is to be said of lost lines, every tenth time. */
  readonly retryMs?: number;
}

const MAX_WAITING_BYTES = 1024 * 1024;
const RETRY_MS = 100;
const SAY_EVERY = 10;
const PIPE_FULL = "nobody reads the pipe";

/**
 * Where log lines go: a file descriptor that is never waited for, and whose errors are no errors of the program. A line is
 * written at once, so that none is missing when the process ends. What a full pipe does not take waits in a bounded queue;
 * what finds no room there, or meets a full disk or a reader that went away, is lost and counted.
 */
export class LogStream {
  /** Writes a line that says how many lines were lost, and why. Tried again until that line is written. */
  onLoss: (lost: number, reason: string) => void = () => {};
  readonly #fd: number;
  readonly #maxWaitingBytes: number;
  readonly #retryMs: number;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #unsaid = 0;
  #reason = "";
  #saying = false;
  /** A file holds a line without its end, so the next one begins with a line feed. */
  #torn = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(fd: number, { maxWaitingBytes = MAX_WAITING_BYTES, retryMs = RETRY_MS }: LogStreamOptions = {}) {
    this.#fd = withoutWaiting(fd);
    this.#maxWaitingBytes = maxWaitingBytes;
    this.#retryMs = retryMs;
    process.on("exit", () => this.#writeWaiting());
  }

  /** Lines that could not be written since the start. */
  get lost(): number {
    return this.#lost;
  }

  /** Takes one line with its end. Never throws, never waits. */
  write(line: string): void {
    this.#writeWaiting();
    if (!this.#saying) this.#say();
    const octets = Buffer.from(line);
    const rest = this.#waiting.length > 0 ? octets : this.#put(octets);
    const begun = rest.length < octets.length;
    if (rest.length > 0 && (begun || this.#waitingBytes + rest.length <= this.#maxWaitingBytes)) this.#keep(rest);
    else if (rest.length > 0) this.#lose(PIPE_FULL);
    this.#retryLater();
  }

  /** Resolves when nothing waits, or after that time. */
  async flush(withinMs: number): Promise<void> {
    const endMs = performance.now() + withinMs;
    for (this.#writeWaiting(); this.#waiting.length > 0 && performance.now() < endMs; this.#writeWaiting()) {
      await new Promise((wake) => setTimeout(wake, this.#retryMs / 10));
    }
  }

  /** What is left because the pipe is full; nothing where it was written or lost. */
  #put(octets: Buffer): Buffer {
    let rest = octets;
    try {
      if (this.#torn) writeSync(this.#fd, "\n");
      this.#torn = false;
      while (rest.length > 0) rest = rest.subarray(writeSync(this.#fd, rest));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === "EAGAIN") return rest;
      if (rest.length < octets.length) this.#torn = true;
      this.#lose(code ?? message);
    }
    return octets.subarray(octets.length);
  }

  #keep(rest: Buffer): void {
    this.#waiting.push(rest);
    this.#waitingBytes += rest.length;
  }

  #writeWaiting(): void {
    while (this.#waiting.length > 0) {
      const octets = this.#waiting.shift()!;
      this.#waitingBytes -= octets.length;
      const rest = this.#put(octets);
      if (rest.length === 0) continue;
      this.#waiting.unshift(rest);
      this.#waitingBytes += rest.length;
      return;
    }
  }

  /** A line about lost lines is not one of them when it cannot be written either. */
  #lose(reason: string): void {
    this.#unsaid++;
    if (this.#saying) return;
    this.#lost++;
    this.#reason = reason;
  }

  #say(): void {
    if (this.#unsaid === 0 || this.#waiting.length > 0) return;
    const said = this.#unsaid;
    this.#saying = true;
    this.onLoss(said, this.#reason);
    this.#saying = false;
    this.#unsaid = this.#unsaid > said ? said : 0;
  }

  #retryLater(): void {
    if (this.#timer !== undefined || (this.#waiting.length === 0 && this.#unsaid === 0)) return;
    const everyMs = this.#waiting.length > 0 ? this.#retryMs : this.#retryMs * SAY_EVERY;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#writeWaiting();
      this.#say();
      this.#retryLater();
    }, everyMs).unref();
  }
}

/** Sockets without a path of their own, kept for as long as the process lives: collected, they would close their descriptor. */
const kept: Socket[] = [];

/**
 * A descriptor to the same place that answers EAGAIN instead of waiting. Opened anew by its name in /proc, for O_NONBLOCK
 * belongs to what is open and would be there for whoever shares it, too. A socket has no such name, and another user's pipe
 * may not be opened: there Node.js sets it on the one that is shared, as it does for process.stdout. Files never wait.
 */
function withoutWaiting(fd: number): number {
  const place = fstatSync(fd);
  if (!place.isFIFO() && !place.isSocket() && !isatty(fd)) return fd;
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return setNonBlocking(fd);
  }
}

function setNonBlocking(fd: number): number {
  try {
    kept.push(new Socket({ fd, readable: false, writable: true }).unref());
  } catch {
    // A terminal of another user: it is waited for where its user stops it.
  }
  return fd;
}
