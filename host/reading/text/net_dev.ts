import type { Link } from "../reading.ts";
import { decimal, linesOf, type Parsed, parseRows, printable, wordsOf } from "./columns.ts";

/** Under the names of rtnl_link_stats64. Left out: frame and carrier, of which each is a sum of several. */
const COLUMNS = [
  "rx_bytes",
  "rx_packets",
  "rx_errors",
  "rx_dropped",
  "rx_fifo_errors",
  undefined,
  "rx_compressed",
  "multicast",
  "tx_bytes",
  "tx_packets",
  "tx_errors",
  "tx_dropped",
  "tx_fifo_errors",
  "collisions",
  undefined,
  "tx_compressed",
];

function parseRow(line: string): Link | undefined {
  const [, name, rest] = /^\s*([^\s:]+):(.*)$/.exec(line) ?? [];
  const values = wordsOf(rest ?? "").map(decimal);
  if (name === undefined || values.length < COLUMNS.length) return undefined;
  const stats = new Map<string, bigint>();
  for (const [place, column] of COLUMNS.entries()) {
    const value = values[place];
    if (column !== undefined && value !== undefined) stats.set(column, value);
  }
  return { index: 0, name: printable(name), isUp: true, isLoopback: name === "lo", stats };
}

/**
 * /proc/net/dev (net/core/net-procfs.c, dev_seq_printf_stats): two lines of head, then a line for each interface, 64 bit. Drops
 * are rx_dropped + rx_missed_errors, so the latter is absent here. Names and numbers may touch (before 2.6.37). It tells
 * neither index nor state: 0, and up.
 */
export function parseNetDev(text: string): Parsed<Link[]> {
  return parseRows(
    linesOf(text).filter((line) => !line.includes("|")),
    parseRow,
  );
}
