import { mkdir, open, readFile, rename, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type BackendSet, backendSetShape } from "../../crds/backends_schema.ts";

/** The copy of the configuration in force, from which a proxy starts while the API server is away. */
export interface LastGood {
  readonly file: string;
  /** Undefined where there is no copy. Throws where it cannot be read, is damaged, or is another QuicProxyNode's. */
  read(): Promise<Copy | undefined>;
  /** Replaces the copy as a whole: after a crash the old or the new one is there. Throws where it cannot be written. */
  write(copy: Copy): Promise<void>;
}

/** What is in force. */
export interface Copy {
  /** Of the QuicProxyNode; read from a copy, it is not checked. */
  readonly spec: unknown;
  readonly backends: BackendSet;
}

const FORMAT = 2;

/** Kept in <directory>/<namespace>.<name>.json, readable by its owner only: the hash key is in it. */
export function lastGoodCopy(directory: string, namespace: string, name: string): LastGood {
  const file = join(directory, `${namespace}.${name}.json`);
  return {
    file,
    async read() {
      let text: string;
      try {
        text = await readFile(file, "utf8");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
      }
      return copyOf(file, name, parseJson(file, text));
    },
    async write(copy) {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await writeWhole(file, `${JSON.stringify({ format: FORMAT, ...copy })}\n`);
    },
  };
}

function parseJson(file: string, text: string): Partial<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text)) as Partial<Record<string, unknown>>;
  } catch (error) {
    throw new Error(`${file} is damaged: ${(error as Error).message}`, { cause: error });
  }
}

/** Whoever put another file here, or half of one: what would be forwarded by it is nothing that anybody asked for. */
function copyOf(file: string, name: string, { format, spec, backends }: Partial<Record<string, unknown>>): Copy {
  if (format !== FORMAT) throw new Error(`${file} has format ${format}, this version reads ${FORMAT}`);
  const { proxy, nodeName } = Object(spec) as { proxy?: unknown; nodeName?: unknown };
  if (`${proxy}.${nodeName}` !== name) throw new Error(`${file} is of ${proxy}.${nodeName}, not of ${name}`);
  const set = backendSetShape.safeParse(backends);
  if (set.success) return { spec, backends: set.data };
  const [issue] = set.error.issues;
  throw new Error(`${file} is damaged: ${["backends", ...(issue?.path ?? [])].join(".")}: allowed: ${issue?.message}`);
}

async function writeWhole(file: string, text: string): Promise<void> {
  const draft = `${file}.${process.pid}.draft`;
  const handle = await open(draft, "w", 0o600);
  try {
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  } catch (error) {
    // On a full disk half a draft would take what room there is.
    await unlink(draft).catch(() => {});
    throw error;
  }
}
