import type { Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { nameOfInterface } from "./on_links.ts";
import { count } from "./words.ts";

export const tcRule: Verdict = {
  name: "tc-rule",
  handOff: "3",
  remedy: ["See the rules and whose they are: tc -s filter show dev {interface} ingress; bpftool net"],
  inVain: ["Firewall rules: the datagrams did not come as far"],
  find: ({ send, links = [], after }) =>
    send.ingressDrops.flatMap(({ interfaceIndex, kind, drops }) => {
      const received = links.find(({ link }) => link.index === interfaceIndex)?.received;
      if (!isLoss(drops, received)) return [];
      const name = nameOfInterface({ after }, interfaceIndex);
      return [
        {
          severity: "loss",
          title: `A tc rule at the ingress of ${name} drops datagrams`,
          datagrams: drops,
          proof: [`qdisc ${kind} of ${name}: dropped ${count(drops)}; it does not tell UDP from other protocols`],
          fill: { interface: name },
        },
      ];
    }),
};
