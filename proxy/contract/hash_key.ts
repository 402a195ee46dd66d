import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { HASH_KEY_BYTES } from "./contract.ts";

export const DEFAULT_STATE_DIR = "/var/lib/quicproxy";

export interface HashKeyOwner {
  readonly stateDir: string;
  readonly namespace: string;
  readonly name: string;
}

export interface HashKey {
  /** 16 octets. */
  readonly key: Uint8Array;
  /** What is not as it should be with the key, what follows from it, and what to do. */
  readonly warning?: string;
  /** Made up for this run: no other proxy has it. */
  readonly random?: true;
}

const HEX_DIGITS = HASH_KEY_BYTES * 2;

/**
 * The SipHash key of one QuicProxy, made at the first call and read afterwards, so that a restarted proxy sends a flow
 * it no longer remembers to the same backend. Kept as 32 hexadecimal digits in <stateDir>/<namespace>.<name>.key: copy
 * the file to let proxies on several hosts choose alike. Never throws: without a usable file the key is `present`, a
 * random one unless a run has one already.
 */
export async function loadHashKey(
  { stateDir, namespace, name }: HashKeyOwner,
  present: Uint8Array = randomKey(),
): Promise<HashKey> {
  const file = join(stateDir, `${namespace}.${name}.key`);
  try {
    return (await readKey(file, present)) ?? (await createKey(stateDir, file, present));
  } catch (error) {
    const remedy = "make the directory writable for this user or name another with --state-dir";
    return unkept((error as Error).message, remedy, present);
  }
}

/** The same key for a look from outside: nothing is made, and where there is none, a random one says so. Never throws. */
export async function peekHashKey({ stateDir, namespace, name }: HashKeyOwner): Promise<HashKey> {
  const file = join(stateDir, `${namespace}.${name}.key`);
  const missing = "no proxy has run with this state directory";
  const remedy = "name the directory of the running proxy with --state-dir";
  const random = (cause: string): HashKey => {
    const warning = `${cause}: what the fallback picks is not known; ${remedy}`;
    return { key: randomKey(), warning, random: true };
  };
  try {
    const found = await readKey(file, randomKey());
    return found === undefined ? random(`${file} does not exist, ${missing}`) : found;
  } catch (error) {
    return random((error as Error).message);
  }
}

function randomKey(): Uint8Array {
  return Uint8Array.from(randomBytes(HASH_KEY_BYTES));
}

async function readKey(file: string, otherwise: Uint8Array): Promise<HashKey | undefined> {
  let text: string;
  try {
    text = (await readFile(file, "latin1")).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  if (text.length !== HEX_DIGITS || !/^[0-9A-Fa-f]+$/.test(text)) {
    const cause = `${file} does not hold ${HEX_DIGITS} hexadecimal digits`;
    return unkept(cause, "remove the file to have a new one made", otherwise);
  }
  const key = Uint8Array.from(Buffer.from(text, "hex"));
  if (key.every((octet) => octet === 0))
    return unkept(`${file} holds only zeros`, "remove the file to have a new one made", otherwise);
  const { mode } = await stat(file);
  if ((mode & 0o077) === 0) return { key };
  const warning = `${file} may be read by others, who could then choose the backend of a flow; run: chmod 600 ${file}`;
  return { key, warning };
}

/** Written beside and linked into place: of two proxies that start at once, one makes the key and both use it. */
async function createKey(stateDir: string, file: string, key: Uint8Array): Promise<HashKey> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  const handle = await open(draft, "wx", 0o600);
  try {
    await handle.writeFile(`${Buffer.from(key).toString("hex")}\n`);
    await handle.sync();
    await link(draft, file);
    return { key };
  } catch (error) {
    const present = (error as NodeJS.ErrnoException).code === "EEXIST" ? await readKey(file, key) : undefined;
    if (present !== undefined) return present;
    throw error;
  } finally {
    await handle.close();
    await unlink(draft);
  }
}

function unkept(cause: string, remedy: string, key: Uint8Array): HashKey {
  const consequence = "the hash key is random for this run, so a restart may send known flows to other backends";
  return { key, warning: `${cause}: ${consequence}; ${remedy}, then reload`, random: true };
}
