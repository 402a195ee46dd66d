import type { Counters } from "../reading.ts";
import { hexadecimal32, linesOf, type Parsed, quoted, wordsOf } from "./columns.ts";

/** What is no counter of one CPU: each row repeats the same number of all. */
const REPEATED = ["entries"];

/**
 * Tables of /proc/net/stat: nf_conntrack (net/netfilter/nf_conntrack_standalone.c, ct_cpu_seq_show), arp_cache and ndisc_cache
 * (net/core/neighbour.c, neigh_stat_seq_show). A line of names, then a row for each possible CPU, `%08x` each, 32 bit per CPU.
 * Columns come, go and change their meaning (nf_conntrack: `searched` became `clashres` in 5.10, `delete_list` `chainlength` in
 * 5.15; neighbours: `table_fulls` is younger than the rest), so they go by name. Summed over CPUs: a sum of numbers that
 * wrap at 2^32 is right modulo 2^32.
 */
export function parsePerCpuTable(text: string): Parsed<Counters> {
  const [head, ...lines] = linesOf(text);
  const names = wordsOf(head ?? "");
  const rows = lines.map((line) => wordsOf(line).map(hexadecimal32)).filter((row) => !row.includes(undefined));
  if (rows.length === 0 || names.some((name) => !/^[a-z_]+$/i.test(name))) {
    return { value: undefined, reason: `no line of names with rows of hexadecimal numbers below: ${quoted(text)}` };
  }
  const counters = new Map<string, bigint>();
  for (const row of rows) {
    for (const [place, value] of row.slice(0, names.length).entries()) {
      const name = names[place]!;
      const sum = REPEATED.includes(name) ? 0n : (counters.get(name) ?? 0n);
      counters.set(name, sum + BigInt(value!));
    }
  }
  const wrong = lines.length - rows.length;
  return wrong === 0 ? { value: counters } : { value: counters, reason: `${wrong} rows hold no hexadecimal numbers` };
}
