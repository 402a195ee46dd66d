/* Netlink as the kernel writes it, for tests. */

export const MULTI = 0x2;
export const INTERRUPTED = 0x10;
const DONE = 3;
const ERROR = 2;

const padded = (octets: Uint8Array): Buffer => Buffer.concat([octets, Buffer.alloc(-octets.length & 3)]);

export function u32s(...values: readonly number[]): Buffer {
  const octets = Buffer.alloc(4 * values.length);
  for (const [place, value] of values.entries()) octets.writeUInt32LE(value >>> 0, 4 * place);
  return octets;
}

export function u64s(...values: readonly bigint[]): Buffer {
  const octets = Buffer.alloc(8 * values.length);
  for (const [place, value] of values.entries()) octets.writeBigUInt64LE(value, 8 * place);
  return octets;
}

export function attribute(type: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const head = Buffer.alloc(4);
  head.writeUInt16LE(4 + content.length, 0);
  head.writeUInt16LE(type, 2);
  return padded(Buffer.concat([head, content]));
}

export const textAttribute = (type: number, text: string): Buffer => attribute(type, Buffer.from(`${text}\0`));

export function message(type: number, flags: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  const head = Buffer.alloc(16);
  head.writeUInt32LE(16 + content.length, 0);
  head.writeUInt16LE(type, 4);
  head.writeUInt16LE(flags, 6);
  return padded(Buffer.concat([head, content]));
}

export const done = (flags = MULTI, errorNumber = 0): Buffer => message(DONE, flags, u32s(errorNumber));

export const error = (errorNumber: number): Buffer => message(ERROR, 0, u32s(errorNumber), Buffer.alloc(16));

/** Of RTM_NEWLINK, behind struct ifinfomsg. */
export function link({ index = 1, flags = 0x41 }, ...attributes: readonly Uint8Array[]): Buffer {
  return message(16, MULTI, u32s(0, index, flags, 0), ...attributes);
}
