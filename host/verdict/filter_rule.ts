import { restOf, sumOf } from "../path/count.ts";
import type { IpMeasure } from "../path/measures.ts";
import { atIp, receivedByIp } from "./at_ip.ts";
import type { Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { count, share } from "./words.ts";

/** A firewall refuses scans on every machine that the world can reach; counters do not tell whose datagrams those were. */
const REFUSED_SHARE = 0.01;

export const filterRule: Verdict = {
  name: "filter-rule",
  handOff: "3n",
  remedy: [
    "See which rule counts: nft list ruleset (rules with counter), iptables-save -c, each read twice",
    "See the path of one datagram: nft add rule with meta nftrace set 1, then nft monitor trace",
  ],
  inVain: ["Socket buffers: UDP never saw the datagrams"],
  find: (measures) => {
    const received = receivedByIp(measures);
    const lost = restOf(atIp(measures, unexplained), [
      measures.netfilter.dropped,
      ...measures.netfilter.queues.map((each) => each.queueDropped + each.userDropped),
    ]);
    if (!isLoss(lost, received)) return [];
    return [
      {
        severity: lost >= REFUSED_SHARE * (received ?? 0) ? "loss" : "warning",
        title: "A rule between IP and UDP drops datagrams: netfilter (prerouting, input, forward) or a policy",
        datagrams: lost,
        proof: [
          `IP received ${count(received ?? 0)} and neither delivered, forwarded nor counted as faulty ${count(lost)} of them (${share(lost, received ?? 0)}); this does not tell UDP from other protocols`,
        ],
      },
    ];
  },
};

/** Eaten, and by nothing that has a counter of its own. */
function unexplained(measure: IpMeasure): number | undefined {
  const { reversePathFiltered, headerErrors, addressErrors, noRoutes, truncated, discards, unknownProtocols } = measure;
  const named = [reversePathFiltered, headerErrors, addressErrors, noRoutes, truncated, discards, unknownProtocols];
  return restOf(measure.eaten, [sumOf(named)]);
}
