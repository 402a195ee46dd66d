import { sumOf, times } from "../path/count.ts";
import type { Count, IpMeasure, Measures } from "../path/measures.ts";
import { datagramsPerIpCount } from "../path/offload.ts";

/** A count of the IP layer over both families, in datagrams where what came was UDP. */
export function atIp({ ip, offload }: Measures, of: (measure: IpMeasure) => Count): Count {
  return sumOf([
    times(of(ip.ip4), datagramsPerIpCount(offload.ip4)),
    times(of(ip.ip6), datagramsPerIpCount(offload.ip6)),
  ]);
}

/** What the IP layer received. */
export const receivedByIp = (measures: Measures): Count => atIp(measures, ({ inReceives }) => inReceives);
