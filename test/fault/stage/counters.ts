import type { Counters, Reading } from "../../../host/reading/reading.ts";

/*
 * Counters of a Reading by one name each, "udp4.RcvbufErrors": what a scene says must move.
 */

const of = (counters: Counters | undefined, name: string): bigint | undefined => counters?.get(name);

function sum(values: readonly (bigint | number | undefined)[] | undefined): bigint | undefined {
  return values?.reduce<bigint>((total, value) => total + BigInt(value ?? 0), 0n);
}

const TABLES: Readonly<Record<string, (reading: Reading, name: string) => bigint | undefined>> = {
  ip4: ({ ip4 }, name) => of(ip4, name),
  ip4Ext: ({ ip4Ext }, name) => of(ip4Ext, name),
  tcpExt: ({ tcpExt }, name) => of(tcpExt, name),
  icmp4: ({ icmp4 }, name) => of(icmp4, name),
  udp6: ({ udp6 }, name) => of(udp6, name),
  udp4: ({ udp4 }, name) => of(udp4, name),
  arpCache: ({ arpCache }, name) => of(arpCache, name),
  conntrack: ({ conntrack }, name) => of(conntrack.stats, name),
  softnet: ({ softnet }, name) => sum(softnet?.map((row) => row[name as "dropped"])),
  /** Of all sockets of the namespace. */
  sockets: ({ sockets }, name) => sum(sockets?.map((socket) => socket[name as "drops"])),
  qdiscs: ({ qdiscs }, name) => sum(qdiscs?.map((qdisc) => qdisc[name as "drops"])),
  /** Of all interfaces; a name may stand for several: {n} is any number. */
  links: ({ links }, name) => sum(links?.map(({ stats }) => stats.get(name))),
  drivers: ({ links }, name) =>
    sum(links?.flatMap(({ driverStats = [] }) => driverStats.filter((each) => each.name === name).map((e) => e.value))),
};

/** How far a counter moved; undefined: this kernel does not have it. Throws where there is no such table. */
export function moved(name: string, before: Reading, after: Reading): number | undefined {
  const [table, counter] = name.split(".") as [string, string];
  const read = TABLES[table];
  if (read === undefined) throw new Error(`${name}: there are the tables ${Object.keys(TABLES).join(", ")}`);
  const [old, now] = [read(before, counter), read(after, counter)];
  return old === undefined || now === undefined ? undefined : Number(now - old);
}
