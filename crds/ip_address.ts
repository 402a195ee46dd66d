import { isIPv4, isIPv6 } from "node:net";

/** One IP address: its family, its canonical text (RFC 5952 shape) and its octets in network order (4 or 16). */
export interface IpAddress {
  readonly family: 4 | 6;
  readonly text: string;
  readonly octets: Uint8Array;
}

/** What an address can be besides an ordinary unicast one. */
export type AddressKind = "unicast" | "unspecified" | "loopback" | "multicast" | "broadcast" | "link-local" | "mapped";

/** Parses an IP literal without zone or prefix length; undefined where the text is none. */
export function parseIpAddress(text: string): IpAddress | undefined {
  if (isIPv4(text)) return { family: 4, text, octets: new Uint8Array(text.split(".").map(Number)) };
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const groups = ipv6Groups(text);
  return { family: 6, text: canonicalIpv6(groups), octets: new Uint8Array(groups.flatMap((g) => [g >> 8, g & 0xff])) };
}

/** Says which kind of address it is; a link-local address needs an interface, which no manifest can name. */
export function addressKind({ family, octets }: IpAddress): AddressKind {
  return family === 4 ? ipv4Kind(octets) : ipv6Kind(octets);
}

function ipv4Kind(octets: Uint8Array): AddressKind {
  const first = octets[0]!;
  if (octets.every((octet) => octet === 0)) return "unspecified";
  if (octets.every((octet) => octet === 255)) return "broadcast";
  if (first === 127) return "loopback";
  if (first === 169 && octets[1] === 254) return "link-local";
  return first >= 224 && first <= 239 ? "multicast" : "unicast";
}

function ipv6Kind(octets: Uint8Array): AddressKind {
  const zeros = octets.findIndex((octet) => octet !== 0);
  if (zeros === -1) return "unspecified";
  if (zeros === 15 && octets[15] === 1) return "loopback";
  if (zeros === 10 && octets[10] === 0xff && octets[11] === 0xff) return "mapped";
  if (octets[0] === 0xff) return "multicast";
  return octets[0] === 0xfe && (octets[1]! & 0xc0) === 0x80 ? "link-local" : "unicast";
}

function ipv6Groups(text: string): number[] {
  const [head = "", tail] = text.split("::");
  const before = groupsOf(head);
  const after = tail === undefined ? [] : groupsOf(tail);
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}

function groupsOf(part: string): number[] {
  if (part === "") return [];
  return part.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}

/** RFC 5952 section 4: lower case, no leading zeros, the first longest run of two or more zero groups as "::". */
function canonicalIpv6(groups: readonly number[]): string {
  const hex = groups.map((group) => group.toString(16));
  const run = longestZeroRun(groups);
  if (run.length < 2) return hex.join(":");
  return `${hex.slice(0, run.start).join(":")}::${hex.slice(run.start + run.length).join(":")}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let index = 0; index <= groups.length; index++) {
    if (groups[index] === 0) continue;
    if (index - start > best.length) best = { start, length: index - start };
    start = index + 1;
  }
  return best;
}
