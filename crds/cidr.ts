import { type IpAddress, parseIpAddress } from "./ip_address.ts";

/** A range of addresses of one family: all whose first `bits` bits are those of `octets`. */
export interface Cidr {
  readonly family: 4 | 6;
  readonly octets: Uint8Array;
  readonly bits: number;
}

/** Parses `10.0.0.0/8` or `fd00::/8`; undefined where the text is none, or where its addresses are IPv4-mapped. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([0-9A-Fa-f:.]+)\/(0|[1-9][0-9]{0,2})$/.exec(text);
  const address = match && parseIpAddress(match[1]!);
  if (!match || !address || isMapped(address)) return undefined;
  const bits = Number(match[2]);
  const { family, octets } = address;
  return bits <= octets.length * 8 ? { family, octets, bits } : undefined;
}

/** Whether an address is in a range. One of the other family never is. */
export function cidrContains({ family, octets, bits }: Cidr, address: IpAddress): boolean {
  if (family !== address.family) return false;
  const whole = bits >> 3;
  for (let index = 0; index < whole; index++) if (octets[index] !== address.octets[index]) return false;
  const mask = (0xff00 >> (bits & 7)) & 0xff;
  return mask === 0 || ((octets[whole]! ^ address.octets[whole]!) & mask) === 0;
}

/** What a translator of RFC 6052 with the well-known prefix 64:ff9b::/96 sends to the IPv4 address in it. */
export function translatedIpv4({ family, octets }: IpAddress): IpAddress | undefined {
  const prefix = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];
  if (family !== 6 || !prefix.every((octet, index) => octets[index] === octet)) return undefined;
  return parseIpAddress(octets.subarray(12).join("."));
}

function isMapped({ family, octets }: IpAddress): boolean {
  return family === 6 && octets[10] === 0xff && octets[11] === 0xff && octets.subarray(0, 10).every((o) => o === 0);
}
