import type { RawReading } from "./raw.ts";
import { type Parsed, printable } from "./text/columns.ts";

/** Why there is nothing of a source that the reading was not to have. */
export const NOT_ASKED = "not part of this reading";

/**
 * The sources of one RawReading on their way through the parsers; keeps why each of them is not there, or not whole. What
 * stands in them may be anybody's: a source of the wrong kind, or of none, is one with a reason.
 */
export class Sections {
  readonly missing = new Map<string, string>();
  readonly #sources: ReadonlyMap<string, unknown>;

  constructor(raw: RawReading) {
    this.#sources = new Map(Object.entries(raw.sources ?? {}));
  }

  names(): string[] {
    return [...this.#sources.keys()];
  }

  has(name: string): boolean {
    return this.#sources.has(name);
  }

  /** What a parser of text makes of it; undefined with a reason in `missing`. */
  text<Value>(name: string, parse: (text: string) => Parsed<Value>): Value | undefined {
    return this.#take(name, "text", parse);
  }

  /** The same of a netlink answer. */
  octets<Value>(name: string, parse: (octets: Uint8Array) => Parsed<Value>): Value | undefined {
    return this.#take(name, "base64", (base64) => parse(Buffer.from(base64, "base64")));
  }

  note(name: string, reason: string | undefined): void {
    if (reason !== undefined) this.missing.set(printable(name), printable(reason));
  }

  #take<Value>(name: string, kind: "text" | "base64", parse: (content: string) => Parsed<Value>): Value | undefined {
    const source = this.#sources.get(name);
    const fields: Record<string, unknown> = typeof source === "object" && source !== null ? { ...source } : {};
    const content = fields[kind];
    if (typeof content === "string") {
      const { value, reason } = parse(content);
      this.note(name, reason);
      return value;
    }
    if (typeof fields.error === "string") this.note(name, fields.error);
    else this.note(name, source === undefined ? NOT_ASKED : `it holds no ${kind}`);
    return undefined;
  }
}
