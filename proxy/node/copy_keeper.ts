import type { Log } from "../../process/log.ts";
import type { Copy, LastGood } from "../source/last_good.ts";

/** Keeps the last-good copy as far as the disk lets it; what goes wrong is said, once. */
export class CopyKeeper {
  readonly #lastGood: LastGood | undefined;
  readonly #log: Log;
  /** In force, but not written: why. */
  #unkept: { copy: Copy; why: string } | undefined;

  constructor(lastGood: LastGood | undefined, log: Log) {
    this.#lastGood = lastGood;
    this.#log = log;
  }

  /** Undefined where there is none, or none that can be read. */
  async read(): Promise<Copy | undefined> {
    try {
      const copy = await this.#lastGood?.read();
      const file = this.#lastGood?.file;
      if (copy !== undefined) this.#log.info({ file }, `starting from the last-good copy ${file}`);
      return copy;
    } catch (error) {
      this.#log.warn({ err: error }, `the last-good copy is not used: ${(error as Error).message}`);
      return undefined;
    }
  }

  async write(copy: Copy): Promise<void> {
    const before = this.#unkept?.why;
    try {
      await this.#lastGood?.write(copy);
      this.#unkept = undefined;
      if (before !== undefined) this.#log.info("a last-good copy is kept again");
    } catch (error) {
      const why = (error as Error).message;
      this.#unkept = { copy, why };
      if (why !== before) this.#log.warn({ err: error }, `no last-good copy is kept: ${why}`);
    }
  }

  /** Tries again what failed. */
  async again(): Promise<void> {
    if (this.#unkept !== undefined) await this.write(this.#unkept.copy);
  }
}
