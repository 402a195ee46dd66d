import { restOf } from "../path/count.ts";
import type { Verdict } from "./finding.ts";
import { isLoss, isSkew } from "./gates.ts";
import { losingSockets } from "./losing_sockets.ts";
import { count, share } from "./words.ts";

export const fullReceiveBuffer: Verdict = {
  name: "full-receive-buffer",
  handOff: "5",
  remedy: [
    "Let this program see the sockets: run it as root, in the network namespace of the program that reads them (--netns)",
    "Ask again while they are open: a socket that was closed took its counter along",
  ],
  inVain: ["A bigger receive buffer, before it is known whether the reader keeps up"],
  find: (measures) => {
    const { receiveBufferErrors, arrived } = measures.totals;
    const lost = restOf(
      receiveBufferErrors,
      losingSockets(measures).map((each) => each.lost),
    );
    if (!isLoss(lost, arrived) || isSkew(lost, receiveBufferErrors)) return [];
    return [
      {
        severity: "loss",
        title: "Receive buffers were full, and which sockets that were cannot be seen",
        datagrams: lost,
        proof: [
          `RcvbufErrors ${count(receiveBufferErrors ?? 0)}, of which sockets that are open now lost ${count((receiveBufferErrors ?? 0) - lost)} (${share(lost, arrived ?? lost)} of what arrived is not theirs)`,
        ],
      },
    ];
  },
};
