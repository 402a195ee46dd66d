import { parseIpAddress } from "../../crds/ip_address.ts";
import {
  type Backend,
  type Contract,
  type Endpoint,
  HASH_KEY_BYTES,
  QUIC_LB_KEY_BYTES,
  type QuicLb,
  type ServerId,
} from "./contract.ts";
import {
  BACKEND,
  CID_LENGTH_LEARNED,
  CONTRACT_MAGIC,
  CONTRACT_VERSION,
  ENDPOINT,
  ENDPOINT_OPTIONAL,
  FALLBACKS,
  HEADER,
  type Layout,
  MODES,
  QUIC_LB,
  SERVER_ID,
  UPSTREAM_LEVELS,
  WEIGHT_UNITS,
} from "./layout.ts";

/**
 * A contract -> the buffer of native/abi/contract.h: header, endpoints, backends, QUIC-LB configs, server IDs.
 * @throws RangeError where a value does not fit its field; a schema-checked spec always fits.
 */
export function encode(contract: Contract): Uint8Array {
  const { endpoints, backends, quicLb, serverIds } = contract;
  const endpointOffset = HEADER.bytes;
  const backendOffset = endpointOffset + endpoints.length * ENDPOINT.bytes;
  const quicLbOffset = backendOffset + backends.length * BACKEND.bytes;
  const serverIdOffset = quicLbOffset + quicLb.length * QUIC_LB.bytes;
  const totalBytes = serverIdOffset + serverIds.length * SERVER_ID.bytes;
  const buffer = new Uint8Array(totalBytes);
  const extent = { endpointOffset, backendOffset, quicLbOffset, serverIdOffset, totalBytes };
  encodeHeader(contract, recordAt(buffer, 0, HEADER), extent);
  endpoints.forEach((endpoint, index) => {
    encodeEndpoint(endpoint, recordAt(buffer, endpointOffset + index * ENDPOINT.bytes, ENDPOINT));
  });
  backends.forEach((backend, index) => {
    encodeBackend(backend, recordAt(buffer, backendOffset + index * BACKEND.bytes, BACKEND));
  });
  quicLb.forEach((config, index) => {
    encodeQuicLb(config, recordAt(buffer, quicLbOffset + index * QUIC_LB.bytes, QUIC_LB));
  });
  serverIds.forEach((serverId, index) => {
    encodeServerId(serverId, recordAt(buffer, serverIdOffset + index * SERVER_ID.bytes, SERVER_ID));
  });
  return buffer;
}

type Values<Name extends string> = Partial<Record<Name, number | Uint8Array>>;
type Write<Name extends string> = (values: Values<Name>) => void;

interface Extent {
  readonly endpointOffset: number;
  readonly backendOffset: number;
  readonly quicLbOffset: number;
  readonly serverIdOffset: number;
  readonly totalBytes: number;
}

function encodeHeader(contract: Contract, write: Write<keyof typeof HEADER.offsets>, extent: Extent): void {
  if (contract.hashKey.length !== HASH_KEY_BYTES) throw new RangeError(`hash key of ${contract.hashKey.length} octets`);
  write({
    magic: CONTRACT_MAGIC,
    version: CONTRACT_VERSION,
    headerBytes: HEADER.bytes,
    generation: contract.generation,
    totalBytes: extent.totalBytes,
    mode: MODES[contract.mode],
    fallback: FALLBACKS[contract.fallback],
    shortHeaderCidLength: contract.shortHeaderCidLength ?? CID_LENGTH_LEARNED,
    upstreamLevel: UPSTREAM_LEVELS[contract.upstreamLevel],
    workers: contract.workers,
    batch: contract.batch,
    receiveBufferBytes: contract.receiveBufferBytes,
    sendBufferBytes: contract.sendBufferBytes,
    idleTimeoutMs: contract.idleTimeoutMs,
    upstreamSocketMax: contract.upstreamSocketMax,
    upstreamPortFirst: contract.upstreamPortFirst,
    upstreamPortLast: contract.upstreamPortLast,
    flowMemoryBytes: contract.flowMemoryBytes,
    newFlowsPerSecond: contract.newFlowsPerSecond,
    sampleOneIn: contract.sampleOneIn,
    hashKey: contract.hashKey,
    endpointCount: contract.endpoints.length,
    endpointOffset: extent.endpointOffset,
    backendCount: contract.backends.length,
    backendOffset: extent.backendOffset,
    quicLbCount: contract.quicLb.length,
    quicLbOffset: extent.quicLbOffset,
    serverIdCount: contract.serverIds.length,
    serverIdOffset: extent.serverIdOffset,
  });
}

function encodeEndpoint(endpoint: Endpoint, write: Write<keyof typeof ENDPOINT.offsets>): void {
  const { port, family, listener, optional } = endpoint;
  write({ address: octetsOf(endpoint.address), port, family, flags: optional ? ENDPOINT_OPTIONAL : 0, listener });
}

function encodeBackend({ address, port, family, weight }: Backend, write: Write<keyof typeof BACKEND.offsets>): void {
  write({ address: octetsOf(address), port, family, weight: weight * WEIGHT_UNITS });
}

function encodeQuicLb(config: QuicLb, write: Write<keyof typeof QUIC_LB.offsets>): void {
  const { rotation, serverIdLength, nonceLength, key } = config;
  if (key === undefined) {
    write({ rotation, serverIdLength, nonceLength, encrypted: 0 });
    return;
  }
  if (key.length !== QUIC_LB_KEY_BYTES) throw new RangeError(`QUIC-LB key of ${key.length} octets`);
  write({ rotation, serverIdLength, nonceLength, encrypted: 1, key });
}

function encodeServerId(serverId: ServerId, write: Write<keyof typeof SERVER_ID.offsets>): void {
  const { backend, rotation, octets } = serverId;
  if (octets.length > SERVER_ID.widths.octets) throw new RangeError(`server ID of ${octets.length} octets`);
  write({ backend, rotation, length: octets.length, octets });
}

function recordAt<Name extends string>(
  buffer: Uint8Array,
  start: number,
  { offsets, widths }: Layout<Name>,
): Write<Name> {
  const view = new DataView(buffer.buffer, buffer.byteOffset + start);
  return (values) => {
    for (const name of Object.keys(values) as Name[]) {
      const value = values[name];
      if (typeof value === "number") writeInteger(view, offsets[name], widths[name], value);
      else if (value !== undefined) buffer.set(value, start + offsets[name]);
    }
  };
}

function writeInteger(view: DataView, offset: number, width: number, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || value >= 2 ** (8 * width)) {
    throw new RangeError(`${value} does not fit into ${width} octets of the contract`);
  }
  if (width === 8) view.setBigUint64(offset, BigInt(value), true);
  else if (width === 4) view.setUint32(offset, value, true);
  else if (width === 2) view.setUint16(offset, value, true);
  else view.setUint8(offset, value);
}

function octetsOf(address: string): Uint8Array {
  const octets = parseIpAddress(address)?.octets;
  if (octets === undefined) throw new RangeError(`${address} is not an IP address`);
  return octets;
}
