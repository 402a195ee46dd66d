import { greatest } from "../path/count.ts";
import { deviceLoss } from "../path/device_loss.ts";
import type { Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { count, perSecond } from "./words.ts";

/** A limit that the cloud keeps by a token bucket: the mean rate may be far below it. */
export const cloudAllowance: Verdict = {
  name: "cloud-allowance",
  handOff: "0",
  remedy: [
    "Take a larger instance type, or spread the load over more machines: the limit is the whole instance's",
    "Tracked connections: let security groups allow all of this port from everywhere, which needs no tracking",
    "Link-local services (DNS, metadata, time): keep a DNS cache on the machine",
  ],
  inVain: ["Rings, buffers and sysctls of this machine: the datagrams are held back before it sees them"],
  find: ({ links = [], seconds }) =>
    links.flatMap((measure) => {
      const losses = [deviceLoss(measure, "cloud"), deviceLoss(measure, "cloud-drop")];
      const datagrams = greatest(losses.map((loss) => loss.datagrams));
      if (!isLoss(datagrams, measure.received)) return [];
      return [
        {
          severity: "loss",
          title: `The cloud or hypervisor holds back datagrams of ${measure.link.name}: an allowance is used up`,
          datagrams,
          arrived: (measure.received ?? 0) + datagrams,
          proof: [
            `${measure.link.name}: ${losses.flatMap(({ counters }) => counters).join(", ")}`,
            `${count(datagrams)} datagrams (${perSecond(datagrams, seconds)}) came when the token bucket was empty; bandwidth and rate allowances queue some of them`,
          ],
        },
      ];
    }),
};
