import { parseIpAddress } from "../../crds/ip_address.ts";
import { type Backend, type Contract, type Endpoint, HASH_KEY_BYTES } from "./contract.ts";
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
} from "./layout.ts";

/**
 * A contract -> the buffer of native/abi/contract.h: header, endpoints, backends.
 * @throws RangeError where a value does not fit its field; a schema-checked spec always fits.
 */
export function encode(contract: Contract): Uint8Array {
  const endpointOffset = HEADER.bytes;
  const backendOffset = endpointOffset + contract.endpoints.length * ENDPOINT.bytes;
  const buffer = new Uint8Array(backendOffset + contract.backends.length * BACKEND.bytes);
  encodeHeader(contract, recordAt(buffer, 0, HEADER), { endpointOffset, backendOffset, totalBytes: buffer.length });
  contract.endpoints.forEach((endpoint, index) => {
    encodeEndpoint(endpoint, recordAt(buffer, endpointOffset + index * ENDPOINT.bytes, ENDPOINT));
  });
  contract.backends.forEach((backend, index) => {
    encodeBackend(backend, recordAt(buffer, backendOffset + index * BACKEND.bytes, BACKEND));
  });
  return buffer;
}

type Values<Name extends string> = Partial<Record<Name, number | Uint8Array>>;
type Write<Name extends string> = (values: Values<Name>) => void;

interface Extent {
  readonly endpointOffset: number;
  readonly backendOffset: number;
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
    workers: contract.workers,
    batch: contract.batch,
    receiveBufferBytes: contract.receiveBufferBytes,
    sendBufferBytes: contract.sendBufferBytes,
    idleTimeoutMs: contract.idleTimeoutMs,
    upstreamSocketMax: contract.upstreamSocketMax,
    flowMemoryBytes: contract.flowMemoryBytes,
    hashKey: contract.hashKey,
    endpointCount: contract.endpoints.length,
    endpointOffset: extent.endpointOffset,
    backendCount: contract.backends.length,
    backendOffset: extent.backendOffset,
  });
}

function encodeEndpoint(endpoint: Endpoint, write: Write<keyof typeof ENDPOINT.offsets>): void {
  const { port, family, listener, optional } = endpoint;
  write({ address: octetsOf(endpoint.address), port, family, flags: optional ? ENDPOINT_OPTIONAL : 0, listener });
}

function encodeBackend({ address, port, family, weight }: Backend, write: Write<keyof typeof BACKEND.offsets>): void {
  write({ address: octetsOf(address), port, family, weight });
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
