import { exactNumber, type Parsed, quoted } from "./columns.ts";

/**
 * Pages of memory that UDP sockets hold, of /proc/net/sockstat (net/ipv4/proc.c, sockstat_seq_show): `UDP: inuse 3 mem 2`. `mem` is
 * machine-wide since 2.6.25, sums both address families, and is what net.ipv4.udp_mem bounds.
 */
export function parseUdpMemoryPages(text: string): Parsed<number> {
  const value = exactNumber(/^UDP:.* mem (\d+)\s*$/m.exec(text)?.[1]);
  return value === undefined ? { value, reason: `no line "UDP: ... mem N": ${quoted(text)}` } : { value };
}
