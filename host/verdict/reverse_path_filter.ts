import { atIp, receivedByIp } from "./at_ip.ts";
import type { Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { count } from "./words.ts";

export const reversePathFilter: Verdict = {
  name: "reverse-path-filter",
  handOff: "3",
  remedy: [
    "Give this machine a route to the senders through the interface that their datagrams come by: ip route get SENDER",
    "Or let any interface do: sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.INTERFACE.rp_filter=2; the greater of both holds",
  ],
  inVain: ["Firewall rules: the datagrams are refused by routing"],
  find: (measures) => {
    const lost = atIp(measures, ({ reversePathFiltered }) => reversePathFiltered);
    if (!isLoss(lost, receivedByIp(measures))) return [];
    return [
      {
        severity: "loss",
        title: "The reverse path filter refuses datagrams: the way back to their senders is another interface's",
        datagrams: lost,
        proof: [`IPReversePathFilter ${count(lost)}`],
      },
    ];
  },
};
