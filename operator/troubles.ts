import type { Log } from "../process/log.ts";

/** What keeps resources from being followed. Each trouble is said once, and again when it comes back after it was over. */
export class Troubles {
  readonly #log: Pick<Log, "warn" | "info">;
  readonly #said = new Map<string, string>();

  constructor(log: Pick<Log, "warn" | "info">) {
    this.#log = log;
  }

  of(resource: string): string | undefined {
    return this.#said.get(resource);
  }

  say(resource: string, error: Error): void {
    if (this.#said.get(resource) === error.message) return;
    this.#said.set(resource, error.message);
    this.#log.warn({ resource, err: error }, `${resource}: ${error.message}`);
  }

  over(resource: string): void {
    if (this.#said.delete(resource)) this.#log.info({ resource }, `${resource}: followed again`);
  }
}
