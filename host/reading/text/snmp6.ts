import type { Counters } from "../reading.ts";
import { decimal, linesOf, type Parsed, quoted, wordsOf } from "./columns.ts";

const GROUPS = ["Ip6", "Icmp6", "Udp6", "UdpLite6"] as const;
export type Snmp6Group = (typeof GROUPS)[number];

/**
 * /proc/net/snmp6 (net/ipv6/proc.c, snmp6_seq_show): a name and a value a line, `%-32s\t%lu` or `%llu`. The name begins with
 * its group. Udp6 has InCsumErrors since 3.8, MemErrors since 5.11. By group, names without it; a group that the kernel
 * does not print is absent.
 */
export function parseSnmp6(text: string): Parsed<ReadonlyMap<Snmp6Group, Counters>> {
  const groups = new Map<Snmp6Group, Map<string, bigint>>();
  const lines = linesOf(text);
  // A text that ends within its last line may end within the number.
  const whole = text.endsWith("\n") ? lines : lines.slice(0, -1);
  for (const [name = "", word] of whole.map(wordsOf)) {
    const group = /^\w+$/.test(name) ? GROUPS.find((each) => name.startsWith(each)) : undefined;
    const value = decimal(word);
    if (group === undefined || value === undefined) continue;
    if (!groups.has(group)) groups.set(group, new Map());
    groups.get(group)!.set(name.slice(group.length), value);
  }
  if (groups.size > 0) return { value: groups };
  return { value: undefined, reason: `no line with a name of IPv6 and a number: ${quoted(text)}` };
}
