import { open, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { RuleFinding } from "../../crds/rule_finding.ts";
import type { QuicProxySpec } from "../../crds/schema.ts";
import { QUIC_LB_KEY_BYTES } from "./contract.ts";

/** Where `quicproxy run` finds a mounted Secret: `<DIR>/<name of the Secret>/<entry>`. */
export const DEFAULT_KEY_DIR = "/etc/quicproxy/keys";

export interface KeyPlaces {
  /** What key.file is relative to; undefined: files cannot be named here. */
  readonly baseDir: string | undefined;
  /** Where the Secrets of key.secretRef are mounted. */
  readonly keyDir: string;
}

/** Findings name file and cause, never what is in the file. */
export interface QuicLbKeys {
  /** AES-128 keys by rotation, 16 octets each. */
  readonly keys: ReadonlyMap<number, Uint8Array>;
  readonly faults: readonly RuleFinding[];
  readonly warnings: readonly RuleFinding[];
}

type KeyPlace = NonNullable<NonNullable<QuicProxySpec["routing"]["quicLB"]>[number]["key"]>;
type Path = RuleFinding["path"];
type ReadKey = { readonly key: Uint8Array; readonly warning?: string } | { readonly what: string };

const HEX_DIGITS = QUIC_LB_KEY_BYTES * 2;
/** A key in hexadecimal with line ends around it; what is longer is no key. */
const MAX_FILE_BYTES = HEX_DIGITS + 32;
const DEFAULT_ENTRY = "key";
const CONTENT = `a file of ${HEX_DIGITS} hexadecimal digits or ${QUIC_LB_KEY_BYTES} octets`;

/** Reads the key of every encrypted QUIC-LB config anew. Never throws for what a file is. */
export async function readQuicLbKeys(routing: QuicProxySpec["routing"], places: KeyPlaces): Promise<QuicLbKeys> {
  const keys = new Map<number, Uint8Array>();
  const faults: RuleFinding[] = [];
  const warnings: RuleFinding[] = [];
  for (const [index, { rotation, key: place }] of (routing.quicLB ?? []).entries()) {
    if (place === undefined) continue;
    const { file, path, allowed } = locateKey(place, places, ["routing", "quicLB", index, "key"]);
    const read =
      file === undefined ? { what: "names a file, and there is no manifest file here" } : await readKey(file);
    if ("what" in read) {
      faults.push({ path, what: read.what, allowed });
      continue;
    }
    keys.set(rotation, read.key);
    if (read.warning !== undefined) warnings.push({ path, what: read.warning, allowed: `chmod 600 ${file}` });
  }
  return { keys, faults, warnings };
}

interface LocatedKey {
  readonly file: string | undefined;
  readonly path: Path;
  readonly allowed: string;
}

function locateKey({ file, secretRef }: KeyPlace, { baseDir, keyDir }: KeyPlaces, path: Path): LocatedKey {
  if (secretRef !== undefined) {
    const allowed = `the Secret mounted there (--key-dir names another directory), or key.file with ${CONTENT}`;
    return {
      file: join(keyDir, secretRef.name, secretRef.key ?? DEFAULT_ENTRY),
      path: [...path, "secretRef"],
      allowed,
    };
  }
  const located = { path: [...path, "file"], allowed: baseDir === undefined ? "key.secretRef" : CONTENT };
  return { ...located, file: baseDir === undefined ? undefined : resolve(baseDir, file ?? "") };
}

async function readKey(file: string): Promise<ReadKey> {
  try {
    const { size, mode, isFile } = await statOf(file);
    if (!isFile) return { what: `${file} is not a file` };
    if (size > MAX_FILE_BYTES) return { what: `${file} has ${size} octets` };
    const key = keyIn(await contentOf(file));
    if (key === undefined) return { what: `${file} does not hold a key` };
    if (key.every((octet) => octet === 0)) return { what: `${file} holds only zeros` };
    return (mode & 0o077) === 0
      ? { key }
      : { key, warning: `${file} may be read by others, who can then decode server IDs` };
  } catch (error) {
    return { what: causeOf(file, error as NodeJS.ErrnoException) };
  }
}

async function statOf(file: string): Promise<{ size: number; mode: number; isFile: boolean }> {
  const found = await stat(file);
  return { size: found.size, mode: found.mode, isFile: found.isFile() };
}

async function contentOf(file: string): Promise<Buffer> {
  const handle = await open(file, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAX_FILE_BYTES), 0, MAX_FILE_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function keyIn(content: Buffer): Uint8Array | undefined {
  if (content.length === QUIC_LB_KEY_BYTES) return Uint8Array.from(content);
  const digits = content.toString("latin1").trim();
  if (digits.length !== HEX_DIGITS || !/^[0-9A-Fa-f]+$/.test(digits)) return undefined;
  return Uint8Array.from(Buffer.from(digits, "hex"));
}

function causeOf(file: string, { code, message }: NodeJS.ErrnoException): string {
  if (code === "ENOENT" || code === "ENOTDIR") return `${file} does not exist`;
  if (code === "EACCES") return `${file} may not be read by this user`;
  return `${file} cannot be read: ${message}`;
}
