import { type Backend, BUCKETS_MAX } from "../../crds/backends_schema.ts";

const PER_BUCKET = 64;
/** Outside of these the number of buckets changes, and with it every chunk; between them a change concerns one chunk. */
const PER_BUCKET_MIN = 16;
const PER_BUCKET_MAX = 128;

export interface Chunking {
  readonly buckets: number;
  /** In the order of their buckets; none is empty. */
  readonly chunks: readonly (readonly Backend[])[];
}

/** Spreads backends over buckets by a hash of address and port. `before`: the buckets until now, if any. Pure. */
export function chunk(backends: readonly Backend[], before: number | undefined): Chunking {
  const buckets = bucketsFor(backends.length, before);
  const spread = Array.from({ length: buckets }, (): Backend[] => []);
  for (const backend of backends) spread[hashOf(`${backend.address} ${backend.port}`) & (buckets - 1)]?.push(backend);
  return { buckets, chunks: spread.filter(({ length }) => length > 0) };
}

function bucketsFor(count: number, before: number | undefined): number {
  const isPower = before !== undefined && (before & (before - 1)) === 0 && before >= 1 && before <= BUCKETS_MAX;
  if (isPower && count <= before * PER_BUCKET_MAX && (before === 1 || count >= before * PER_BUCKET_MIN)) return before;
  const least = Math.max(1, Math.ceil(count / PER_BUCKET));
  return Math.min(BUCKETS_MAX, 2 ** Math.ceil(Math.log2(least)));
}

/** FNV-1a with the finalizer of MurmurHash3, so that the low bits of like texts differ. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
