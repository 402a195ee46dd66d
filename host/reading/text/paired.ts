import type { Counters } from "../reading.ts";
import { decimal, linesOf, type Parsed, quoted, wordsOf } from "./columns.ts";

interface Line {
  readonly group: string;
  readonly words: readonly string[];
}

function splitLine(line: string): Line | undefined {
  const [, group, rest] = /^\s*(\w+): *(.*)$/.exec(line) ?? [];
  return group === undefined ? undefined : { group, words: wordsOf(rest!) };
}

/** A text that ends within a row may end within a number: the last one is not believed. */
function countersOf(names: readonly string[], values: readonly string[], isCut: boolean): Counters {
  const whole = isCut && values.length < names.length ? values.slice(0, -1) : values;
  const counters = new Map<string, bigint>();
  for (const [place, name] of names.entries()) {
    const value = decimal(whole[place]);
    if (value !== undefined && /^\w+$/.test(name)) counters.set(name, value);
  }
  return counters;
}

/**
 * /proc/net/snmp (net/ipv4/proc.c, snmp_seq_show) and /proc/net/netstat (netstat_seq_show): for each group a row of names and
 * a row of values, both after `Group:`. `unsigned long` each, so 32 bit on 32-bit machines; IpExt's and since 5.x the IP
 * group's octets and datagrams 64 bit everywhere. Which names there are, kernels decide: Udp has InCsumErrors since 3.8,
 * IgnoredMulti since 4.0, MemErrors since 5.11. Values that are no counters (MaxConn -1) are left out.
 */
export function parsePaired(text: string): Parsed<ReadonlyMap<string, Counters>> {
  const groups = new Map<string, Counters>();
  const lines = linesOf(text);
  let names: Line | undefined;
  for (const [place, line] of lines.entries()) {
    const split = splitLine(line);
    if (split === undefined) continue;
    if (names?.group !== split.group) {
      names = split;
      continue;
    }
    const isCut = place === lines.length - 1 && !text.endsWith("\n");
    groups.set(split.group, countersOf(names.words, split.words, isCut));
    names = undefined;
  }
  if (groups.size > 0) return { value: groups };
  return { value: undefined, reason: `no row of names with a row of values below: ${quoted(text)}` };
}
