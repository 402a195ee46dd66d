import type { Frame } from "./frame.ts";
import { InputError } from "./input_error.ts";

/*
 * pcapng (draft-ietf-opsawg-pcapng): blocks of type, length, body, length. A section says its octet order; interfaces say
 * their link type; packets name their interface. All other blocks are passed over.
 */

const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
const ORDER_MAGIC = 0x1a2b3c4d;
const MIN_BLOCK_BYTES = 12;
const BODY = 8;
const TRAILER_BYTES = 4;
const ENHANCED_HEAD_BYTES = 20;
const INTERFACES_MAX = 4096;

interface Block {
  readonly type: number;
  readonly view: DataView;
  readonly octets: Uint8Array;
}

interface Section {
  little: boolean;
  interfaces: { linkType: number; snapLength: number }[];
}

export function isPcapng(file: Uint8Array): boolean {
  return file.length >= 4 && viewOf(file).getUint32(0, true) === SECTION;
}

/** The frames of a file for which isPcapng holds. Throws InputError where a block is no block. */
export function* readPcapng(file: Uint8Array): Generator<Frame> {
  const section: Section = { little: true, interfaces: [] };
  let number = 0;
  for (let at = 0; at < file.length; ) {
    const block = blockAt(file, at, section);
    at += block.octets.length;
    if (block.type === SECTION) section.interfaces = [];
    if (block.type === INTERFACE) addInterface(block, section);
    const packet = packetIn(block, section);
    if (packet) yield { number: ++number, ...packet };
  }
}

const viewOf = (octets: Uint8Array): DataView => new DataView(octets.buffer, octets.byteOffset, octets.byteLength);

function blockAt(file: Uint8Array, at: number, section: Section): Block {
  const damaged = (what: string): InputError => new InputError(`the block at octet ${at} ${what}`);
  if (file.length - at < MIN_BLOCK_BYTES) throw damaged("is cut off");
  const view = viewOf(file);
  if (view.getUint32(at, true) === SECTION) {
    const magic = view.getUint32(at + BODY, true);
    section.little = magic === ORDER_MAGIC;
    if (!section.little && view.getUint32(at + BODY, false) !== ORDER_MAGIC) throw damaged("begins no section");
  }
  const { little } = section;
  const length = view.getUint32(at + 4, little);
  if (length < MIN_BLOCK_BYTES || length % 4 !== 0) throw damaged(`claims a length of ${length} octets`);
  if (length > file.length - at) throw damaged("is cut off");
  if (view.getUint32(at + length - TRAILER_BYTES, little) !== length) throw damaged("has two lengths");
  const octets = file.subarray(at, at + length);
  return { type: view.getUint32(at, little), view: viewOf(octets), octets };
}

function addInterface({ view, octets }: Block, { interfaces, little }: Section): void {
  if (octets.length < BODY + 8 + TRAILER_BYTES) throw new InputError("an interface block is too short");
  if (interfaces.length === INTERFACES_MAX) throw new InputError(`has more than ${INTERFACES_MAX} interfaces`);
  interfaces.push({ linkType: view.getUint16(BODY, little), snapLength: view.getUint32(BODY + 4, little) });
}

function packetIn(block: Block, section: Section): Omit<Frame, "number"> | undefined {
  if (block.type === ENHANCED_PACKET) return enhancedPacket(block, section);
  return block.type === SIMPLE_PACKET ? simplePacket(block, section) : undefined;
}

function enhancedPacket({ view, octets }: Block, { little, interfaces }: Section): Omit<Frame, "number"> {
  const start = BODY + ENHANCED_HEAD_BYTES;
  const room = octets.length - start - TRAILER_BYTES;
  if (room < 0) throw new InputError("a packet block is too short");
  const from = interfaces[view.getUint32(BODY, little)];
  if (!from) throw new InputError("a packet names an interface that the section does not have");
  const captured = view.getUint32(BODY + 12, little);
  if (captured > room) throw new InputError("a packet is longer than its block");
  const cut = captured < view.getUint32(BODY + 16, little);
  return { linkType: from.linkType, octets: octets.subarray(start, start + captured), cut };
}

function simplePacket({ view, octets }: Block, { little, interfaces }: Section): Omit<Frame, "number"> {
  const start = BODY + 4;
  const room = octets.length - start - TRAILER_BYTES;
  const from = interfaces[0];
  if (room < 0 || !from) throw new InputError("a simple packet block has no place or no interface before it");
  const original = view.getUint32(BODY, little);
  const captured = Math.min(original, room, from.snapLength === 0 ? room : from.snapLength);
  return { linkType: from.linkType, octets: octets.subarray(start, start + captured), cut: captured < original };
}
