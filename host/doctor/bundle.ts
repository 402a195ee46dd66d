import { parseProxyMeasure } from "../reading/proxy_measure.ts";
import { BUNDLE_FORMAT, type Bundle, type RawReading, type RawSource, type Subject } from "../reading/raw.ts";
import { parseWitness } from "../reading/witness.ts";
import { BundleError } from "./bundle_error.ts";
import { printable } from "./wrap.ts";

/*
 * A bundle as a file: one JSON document. It may come from anybody, so that every part is checked and bounded before it is
 * parsed.
 */

/** A reading of a thousand sockets takes about 200 kB. */
export const MAX_BUNDLE_BYTES = 64 * 1024 * 1024;
const MAX_SOURCES = 4096;
const MAX_BETWEEN = 60;
const MAX_LINES = 200_000;
const MAX_NOTE = 4096;
const MAX_NAME = 512;
export const MAX_PORT = 65_535;
/** IFNAMSIZ without its NUL. */
export const INTERFACE_NAME = /^[^\s/\p{Cc}]{1,15}$/u;

export function formatBundle(bundle: Bundle): string {
  return `${JSON.stringify(bundle)}\n`;
}

/** Throws BundleError. `file`: for its message. */
export function parseBundle(text: string, file: string): Bundle {
  if (Buffer.byteLength(text) > MAX_BUNDLE_BYTES) {
    throw new BundleError(`${file}: more than ${MAX_BUNDLE_BYTES} octets; a bundle of this program is never as large`);
  }
  const bundle = object(parseJson(text, file), file);
  const { format } = bundle;
  if (format !== BUNDLE_FORMAT) {
    const found = typeof format === "string" ? JSON.stringify(format.slice(0, MAX_NAME)) : "none";
    throw new BundleError(
      `${file}: its format is ${found}, allowed: "${BUNDLE_FORMAT}"; save one with: quicproxy doctor --save FILE`,
    );
  }
  const subject = readSubject(bundle.subject, `${file}: subject`);
  const between = bundle.between === undefined ? undefined : list(bundle.between, `${file}: between`);
  return {
    format: BUNDLE_FORMAT,
    subject,
    ...(bundle.before !== undefined && { before: readReading(bundle.before, `${file}: before`) }),
    ...(between && { between: between.map((each, index) => readReading(each, `${file}: between[${index}]`)) }),
    after: readReading(bundle.after, `${file}: after`),
    ...(bundle.witness !== undefined && { witness: readBeside(bundle.witness, parseWitness, file) }),
    ...(bundle.proxy !== undefined && { proxy: readBeside(bundle.proxy, parseProxyMeasure, file) }),
    ...(bundle.note !== undefined && { note: readNote(bundle.note, `${file}: note`) }),
  };
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const what = text.trim() === "" ? "it is empty" : printable((error as Error).message);
    throw new BundleError(`${file} is no bundle, or was cut off: ${what}; copy it again, and compare the lengths`);
  }
}

function object(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new BundleError(`${where}: allowed: an object`);
  }
  return value as Record<string, unknown>;
}

function list(value: unknown, where: string): unknown[] {
  if (!Array.isArray(value) || value.length > MAX_BETWEEN) {
    throw new BundleError(`${where}: allowed: a list of at most ${MAX_BETWEEN} readings`);
  }
  return value;
}

function readSubject(value: unknown, where: string): Subject {
  const { port, interface: name } = object(value, where);
  if (port !== undefined && !(Number.isInteger(port) && (port as number) >= 1 && (port as number) <= MAX_PORT)) {
    throw new BundleError(`${where}.port: allowed: 1 to ${MAX_PORT}`);
  }
  if (name !== undefined && !(typeof name === "string" && INTERFACE_NAME.test(name))) {
    throw new BundleError(`${where}.interface: allowed: the name of an interface, 1 to 15 characters`);
  }
  return {
    ...(port !== undefined && { port: port as number }),
    ...(name !== undefined && { interface: name as string }),
  };
}

function readBeside<Parsed>(value: unknown, parse: (value: unknown) => Parsed, file: string): Parsed {
  try {
    return parse(value);
  } catch (error) {
    throw new BundleError(`${file}: ${(error as Error).message}`);
  }
}

function readNote(value: unknown, where: string): string {
  if (typeof value === "string" && value.length <= MAX_NOTE) return value;
  throw new BundleError(`${where}: allowed: text of at most ${MAX_NOTE} characters`);
}

function readReading(value: unknown, where: string): RawReading {
  const { steadyMs, time, sources } = object(value, where);
  if (typeof steadyMs !== "number" || !Number.isFinite(steadyMs) || steadyMs < 0) {
    throw new BundleError(`${where}.steadyMs: allowed: milliseconds, 0 or more`);
  }
  if (typeof time !== "string" || Number.isNaN(Date.parse(time)) || time.length > 64) {
    throw new BundleError(`${where}.time: allowed: a time such as 2026-01-31T12:00:00Z`);
  }
  const entries = Object.entries(object(sources, `${where}.sources`));
  if (entries.length > MAX_SOURCES) throw new BundleError(`${where}.sources: allowed: at most ${MAX_SOURCES}`);
  return { steadyMs, time, sources: Object.fromEntries(entries.map(([name, each]) => readSource(name, each, where))) };
}

function readSource(name: string, value: unknown, where: string): [string, RawSource] {
  const place = `${where}.sources[${JSON.stringify(name.slice(0, MAX_NAME))}]`;
  if (name.length > MAX_NAME) throw new BundleError(`${place}: its name is longer than ${MAX_NAME} characters`);
  const fields = Object.entries(object(value, place));
  const [kind, content] = fields[0] ?? [];
  if (fields.length !== 1 || typeof content !== "string") throw new BundleError(`${place}: ${ALLOWED_SOURCE}`);
  if (kind === "text" && content.split("\n", MAX_LINES + 1).length > MAX_LINES) {
    throw new BundleError(`${place}: more than ${MAX_LINES} lines; no source of the kernel has as many`);
  }
  if (kind === "text") return [name, { text: content }];
  if (kind === "base64") return [name, { base64: content }];
  if (kind === "error") return [name, { error: content }];
  throw new BundleError(`${place}: ${ALLOWED_SOURCE}`);
}

const ALLOWED_SOURCE = "allowed: one of text, base64 and error, each a text";
