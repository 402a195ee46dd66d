import type { Frame } from "./frame.ts";
import { InputError } from "./input_error.ts";

/* Classic pcap (draft-ietf-opsawg-pcap): a header of 24 octets, then records of 16 octets and what was captured. */

const HEADER_BYTES = 24;
const RECORD_BYTES = 16;
const MICROSECONDS = 0xa1b2c3d4;
const NANOSECONDS = 0xa1b23c4d;
/** The upper bits tell of a frame check sequence. */
const LINK_TYPE_MASK = 0xffff;

const viewOf = (file: Uint8Array): DataView => new DataView(file.buffer, file.byteOffset, file.byteLength);

function isMagic(value: number): boolean {
  return value === MICROSECONDS || value === NANOSECONDS;
}

export function isPcap(file: Uint8Array): boolean {
  if (file.length < 4) return false;
  const view = viewOf(file);
  return isMagic(view.getUint32(0, true)) || isMagic(view.getUint32(0, false));
}

/** The frames of a file for which isPcap holds. Throws InputError where a record is cut off. */
export function* readPcap(file: Uint8Array): Generator<Frame> {
  if (file.length < HEADER_BYTES) throw new InputError(`ends within its header, after ${file.length} octets`);
  const view = viewOf(file);
  const little = isMagic(view.getUint32(0, true));
  const linkType = view.getUint32(20, little) & LINK_TYPE_MASK;
  let at = HEADER_BYTES;
  for (let number = 1; at < file.length; number++) {
    if (file.length - at < RECORD_BYTES) throw new InputError(`ends within the header of packet ${number}`);
    const captured = view.getUint32(at + 8, little);
    const original = view.getUint32(at + 12, little);
    const start = at + RECORD_BYTES;
    if (captured > file.length - start) throw new InputError(`ends within packet ${number}`);
    yield { number, linkType, octets: file.subarray(start, start + captured), cut: captured < original };
    at = start + captured;
  }
}
