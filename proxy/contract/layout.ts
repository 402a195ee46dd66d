/*
 * The byte layout of native/abi/contract.h, little endian. A record is a list of fields in order; offsets follow from
 * their widths. Every field stands on a multiple of its width, so a C++ compiler puts no gap between them.
 */

type Width = 1 | 2 | 4 | 8 | 16;

export interface Layout<Name extends string> {
  readonly offsets: Readonly<Record<Name, number>>;
  readonly widths: Readonly<Record<Name, Width>>;
  readonly bytes: number;
}

export const CONTRACT_MAGIC = 0x31585051;
export const CONTRACT_VERSION = 1;
export const MODES = { RunToCompletion: 0, Baseline: 1, Decoupled: 2 } as const;
export const FALLBACKS = { FourTuple: 0, ConnectionID: 1 } as const;
export const UPSTREAM_LEVELS = { Auto: 0, Sockets: 1 } as const;
export const CID_LENGTH_LEARNED = 0xff;
export const ENDPOINT_OPTIONAL = 1;

export const HEADER = layout({
  magic: 4,
  version: 2,
  headerBytes: 2,
  generation: 8,
  totalBytes: 4,
  mode: 1,
  fallback: 1,
  shortHeaderCidLength: 1,
  upstreamLevel: 1,
  workers: 4,
  batch: 4,
  receiveBufferBytes: 4,
  sendBufferBytes: 4,
  idleTimeoutMs: 4,
  upstreamSocketMax: 4,
  flowMemoryBytes: 8,
  hashKey: 16,
  endpointCount: 4,
  endpointOffset: 4,
  backendCount: 4,
  backendOffset: 4,
  quicLbCount: 4,
  quicLbOffset: 4,
  serverIdCount: 4,
  serverIdOffset: 4,
  newFlowsPerSecond: 4,
  sampleOneIn: 4,
  upstreamPortFirst: 2,
  upstreamPortLast: 2,
  reserved: 4,
});

export const ENDPOINT = layout({ address: 16, port: 2, family: 1, flags: 1, listener: 2, reserved: 2 });

/** What a weight of 1 is in a contract: whose share is to be small for a time gets fewer of these, and never none. */
export const WEIGHT_UNITS = 16;

export const BACKEND = layout({ address: 16, port: 2, family: 1, reserved: 1, weight: 4 });

export const QUIC_LB = layout({
  rotation: 1,
  serverIdLength: 1,
  nonceLength: 1,
  encrypted: 1,
  reserved: 4,
  key: 16,
});

export const SERVER_ID = layout({ backend: 4, rotation: 1, length: 1, reserved: 2, octets: 16 });

function layout<Name extends string>(widths: Record<Name, Width>): Layout<Name> {
  const offsets = {} as Record<Name, number>;
  let bytes = 0;
  for (const name of Object.keys(widths) as Name[]) {
    offsets[name] = bytes;
    bytes += widths[name];
  }
  return { offsets, widths, bytes };
}
