/* Addresses as the kernel stores them: octets in network order. Pure. */

export function textOfIpv4(octets: Uint8Array): string {
  return octets.subarray(0, 4).join(".");
}

/** RFC 5952; IPv4-mapped ones as ::ffff:192.0.2.1. */
export function textOfIpv6(octets: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, place) => (octets[2 * place]! << 8) | octets[2 * place + 1]!);
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${textOfIpv4(octets.subarray(12))}`;
  }
  const { start, length } = longestZeros(groups);
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(":");
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let longest = { start: 0, length: 0 };
  let length = 0;
  for (const [place, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > longest.length) longest = { start: place - length + 1, length };
  }
  return longest;
}

/** By family: 4 octets or 16. undefined: another number of octets. */
export function textOfAddress(octets: Uint8Array): string | undefined {
  if (octets.length === 4) return textOfIpv4(octets);
  return octets.length === 16 ? textOfIpv6(octets) : undefined;
}
