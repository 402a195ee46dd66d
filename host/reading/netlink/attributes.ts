import { u16 } from "./octets.ts";

const HEADER_BYTES = 4;
/** Without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const TYPE_MASK = 0x3fff;

/** struct nlattr (linux/netlink.h): by type, the last of equal ones. Ends where the octets are no attribute. */
export function decodeAttributes(octets: Uint8Array | undefined): ReadonlyMap<number, Uint8Array> {
  const attributes = new Map<number, Uint8Array>();
  let at = 0;
  while (octets !== undefined && at + HEADER_BYTES <= octets.length) {
    const length = u16(octets, at)!;
    if (length < HEADER_BYTES || at + length > octets.length) break;
    attributes.set(u16(octets, at + 2)! & TYPE_MASK, octets.subarray(at + HEADER_BYTES, at + length));
    at += (length + 3) & ~3;
  }
  return attributes;
}
