import type { Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { count, share } from "./words.ts";

export const proxyRing: Verdict = {
  name: "proxy-ring-full",
  handOff: "6",
  remedy: [
    "Give the proxy more workers (dataPlane.workers), up to one per CPU",
    "See which of them is busy: quicproxy top; one that stands out has one busy flow",
  ],
  inVain: ["A bigger socket buffer: the receiving thread empties it in time"],
  find: ({ proxy }) => {
    if (proxy === undefined || !isLoss(proxy.ringFull, proxy.received)) return [];
    return [
      {
        severity: "loss",
        title: "The ring between the receiving and the forwarding thread of a worker was full",
        datagrams: proxy.ringFull,
        proof: [
          `hand_off_dropped_ring_full ${count(proxy.ringFull)}, ${share(proxy.ringFull, proxy.received)} of what was received`,
        ],
      },
    ];
  },
};
