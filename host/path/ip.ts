import type { Counters } from "../reading/reading.ts";
import type { IpMeasure } from "./measures.ts";
import type { Comparison, Window } from "./window.ts";

type Table = (name: string) => number | undefined;

/** Hand-off 3, IPv4: /proc/net/snmp and netstat. */
export function ip4Measure({ before, after }: Window, comparison: Comparison): IpMeasure {
  const table = (what: string, one: Counters | undefined, two: Counters | undefined): Table =>
    comparison.table({ handOff: "3", what, width: "word" }, one, two);
  const ip = table("Ip", before.ip4, after.ip4);
  const extended = table("IpExt", before.ip4Ext, after.ip4Ext);
  const tcp = table("TcpExt", before.tcpExt, after.tcpExt);
  return measureOf(ip, {
    elsewhere: ip("ForwDatagrams") ?? 0,
    reversePathFiltered: tcp("IPReversePathFilter"),
    noRoutes: extended("InNoRoutes"),
    truncated: extended("InTruncatedPkts"),
  });
}

/** Hand-off 3, IPv6: /proc/net/snmp6. */
export function ip6Measure({ before, after }: Window, comparison: Comparison): IpMeasure {
  const ip = comparison.table({ handOff: "3", what: "Ip6", width: "word" }, before.ip6, after.ip6);
  return measureOf(ip, {
    // What nobody joined is dropped without a counter; each link has some.
    elsewhere: (ip("OutForwDatagrams") ?? 0) + (ip("InMcastPkts") ?? 0),
    reversePathFiltered: undefined,
    noRoutes: ip("InNoRoutes"),
    truncated: ip("InTruncatedPkts"),
  });
}

function measureOf(
  ip: Table,
  named: Pick<IpMeasure, "reversePathFiltered" | "noRoutes" | "truncated"> & { readonly elsewhere: number },
): IpMeasure {
  const { elsewhere, ...others } = named;
  const inReceives = ip("InReceives");
  const inDelivers = ip("InDelivers");
  const reassembly = { requested: ip("ReasmReqds"), done: ip("ReasmOKs"), failed: ip("ReasmFails") };
  // A fragment is received and only its datagram delivered.
  const waiting = (reassembly.requested ?? 0) - (reassembly.done ?? 0);
  const eaten =
    inReceives === undefined || inDelivers === undefined
      ? undefined
      : Math.max(0, inReceives - inDelivers - elsewhere - Math.max(0, waiting));
  return {
    ...others,
    inReceives,
    inDelivers,
    eaten,
    headerErrors: ip("InHdrErrors"),
    addressErrors: ip("InAddrErrors"),
    unknownProtocols: ip("InUnknownProtos"),
    discards: ip("InDiscards"),
    reassembly,
    outDiscards: ip("OutDiscards"),
    outNoRoutes: ip("OutNoRoutes"),
  };
}
