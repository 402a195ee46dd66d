import { receivedByIp } from "./at_ip.ts";
import type { Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { count } from "./words.ts";

export const netfilterQueue: Verdict = {
  name: "netfilter-queue",
  handOff: "3n",
  remedy: [
    "Find the program that reads queue {queue} (port ID {port-id} is its process, as a rule) and make it faster, or give it more queues: queue num 0-3 fanout",
    "Let datagrams pass when it cannot keep up: queue flags bypass, and the fail-open flag of the queue",
  ],
  inVain: ["A longer queue: a reader that is too slow fills any"],
  find: (measures) =>
    measures.netfilter.queues.flatMap(({ queue, portId, waiting, queueDropped, userDropped }) => {
      const lost = queueDropped + userDropped;
      if (!isLoss(lost, receivedByIp(measures))) return [];
      return [
        {
          severity: "loss",
          title: `The program that decides about datagrams of netfilter queue ${queue} is too slow`,
          datagrams: lost,
          proof: [
            `queue ${queue}: ${count(queueDropped)} dropped because it was full, ${count(userDropped)} because its reader's socket was; ${count(waiting)} wait now`,
          ],
          fill: { queue: String(queue), "port-id": String(portId) },
        },
      ];
    }),
};
