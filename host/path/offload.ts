import type { Counters } from "../reading/reading.ts";
import { sumOf } from "./count.ts";
import type { IpMeasure, Offload, UdpMeasure } from "./measures.ts";
import type { Comparison } from "./window.ts";

const ECN_COUNTERS = ["InNoECTPkts", "InECT1Pkts", "InECT0Pkts", "InCEPkts"] as const;

/** Of what the IP layer got, this much must have been UDP for the ratio to hold for UDP. */
const UDP_SHARE = 0.9;

/**
 * The ECN counters count datagrams on the wire, InReceives counts skbs (ip_rcv_core): their ratio is what receive offload
 * joined. Before sockets without UDP_GRO the kernel takes it apart again, so that UDP's own counters may count either.
 */
export function offloadOf(
  tables: { readonly before: Counters | undefined; readonly after: Counters | undefined },
  ip: IpMeasure,
  udp: UdpMeasure,
  comparison: Comparison,
): Offload {
  const ecn = comparison.table({ handOff: "3", what: "received by ECN", width: "word" }, tables.before, tables.after);
  const onTheWire = sumOf(ECN_COUNTERS.map(ecn));
  const skbs = ip.inReceives ?? 0;
  const datagramsPerSkb = onTheWire === undefined || skbs === 0 ? 1 : Math.max(1, onTheWire / skbs);
  const counted = sumOf([udp.inDatagrams, udp.inErrors, udp.noPorts]) ?? 0;
  const isUdp = counted + (ip.eaten ?? 0) >= skbs * UDP_SHARE;
  if (!isUdp || counted === 0) return { datagramsPerSkb, datagramsPerUdpCount: 1, isUdp };
  const perCount = (datagramsPerSkb * (ip.inDelivers ?? 0)) / counted;
  return { datagramsPerSkb, datagramsPerUdpCount: Math.min(datagramsPerSkb, Math.max(1, perCount)), isUdp };
}

/** What a count of the IP layer stands for in datagrams: 1 where TCP's trains would be taken for UDP's. */
export const datagramsPerIpCount = ({ datagramsPerSkb, isUdp }: Offload): number => (isUdp ? datagramsPerSkb : 1);
