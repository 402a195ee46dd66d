import type { Counters } from "../reading/reading.ts";
import { restOf, sumOf, times } from "./count.ts";
import type { Count, Offload, SocketMeasure, UdpMeasure, UdpTotals } from "./measures.ts";
import { TRUESIZE_BYTES } from "./truesize.ts";
import type { Comparison } from "./window.ts";

/** Hand-off 4, one family: Udp of /proc/net/snmp, or Udp6 of snmp6. */
export function udpMeasure(
  what: "Udp" | "Udp6",
  [before, after]: readonly [Counters | undefined, Counters | undefined],
  comparison: Comparison,
): UdpMeasure {
  const udp = comparison.table({ handOff: "4", what, width: "word" }, before, after);
  const inErrors = udp("InErrors");
  const receiveBufferErrors = udp("RcvbufErrors");
  const checksumErrors = udp("InCsumErrors");
  const memoryErrors = udp("MemErrors");
  return {
    inDatagrams: udp("InDatagrams"),
    inErrors,
    receiveBufferErrors,
    checksumErrors,
    memoryErrors,
    otherErrors: restOf(inErrors, [receiveBufferErrors, checksumErrors, memoryErrors]),
    noPorts: udp("NoPorts"),
    outDatagrams: udp("OutDatagrams"),
    sendBufferErrors: udp("SndbufErrors"),
  };
}

/** Both families together, in datagrams. Bad checksums are found when a socket is read, one by one: no offload there. */
export function udpTotals(
  udp: { readonly ip4: UdpMeasure; readonly ip6: UdpMeasure },
  offload: { readonly ip4: Offload; readonly ip6: Offload },
  sockets: readonly SocketMeasure[] | undefined,
): UdpTotals {
  const total = (of: (measure: UdpMeasure) => Count): Count =>
    sumOf([times(of(udp.ip4), offload.ip4.datagramsPerUdpCount), times(of(udp.ip6), offload.ip6.datagramsPerUdpCount)]);
  const delivered = total(({ inDatagrams }) => inDatagrams);
  const noPorts = total((measure) => measure.noPorts);
  const counted = sumOf([delivered, total(({ inErrors }) => inErrors), noPorts]);
  return {
    arrived: counted === undefined ? undefined : Math.max(0, counted + waitingMore(sockets)),
    delivered,
    noPorts,
    receiveBufferErrors: total((measure) => measure.receiveBufferErrors),
    checksumErrors: total((measure) => measure.checksumErrors),
    // Half of it would look like all of it.
    memoryErrors: [udp.ip4, udp.ip6].some((each) => each.inErrors !== undefined && each.memoryErrors === undefined)
      ? undefined
      : total((measure) => measure.memoryErrors),
    otherErrors: total((measure) => measure.otherErrors),
    sent: sumOf([udp.ip4.outDatagrams, udp.ip6.outDatagrams]),
    sendBufferErrors: sumOf([udp.ip4.sendBufferErrors, udp.ip6.sendBufferErrors]),
  };
}

/** InDatagrams counts what a program reads: what came and waits is in no counter. */
function waitingMore(sockets: readonly SocketMeasure[] | undefined): number {
  const more = (sockets ?? []).map(({ isOld, isGone, queueBytes }) => {
    return (isGone ? 0 : (queueBytes.at(-1) ?? 0)) - (isOld ? (queueBytes[0] ?? 0) : 0);
  });
  return Math.round(more.reduce((sum, bytes) => sum + bytes, 0) / TRUESIZE_BYTES);
}
