import type { DeviceLoss } from "../path/device_loss.ts";
import type { LinkMeasure } from "../path/measures.ts";
import type { Found, Verdict } from "./finding.ts";
import { deviceFill, lossOnLinks } from "./on_links.ts";
import { count, share } from "./words.ts";

/** Lost more than it handed on: it is not that the ring is short, nobody empties it. */
const isStarved = ({ received }: LinkMeasure, { datagrams }: DeviceLoss): boolean =>
  received !== undefined && datagrams > received;

const proofOf = ({ link, received }: LinkMeasure, { datagrams, counters }: DeviceLoss): string[] => [
  `${link.name}${link.driver ? ` (${link.driver.name})` : ""}: ${counters.join(", ")}; the greatest counts, for they may count the same`,
  `${share(datagrams, datagrams + (received ?? 0))} of ${count(datagrams + (received ?? 0))} datagrams`,
  ...(link.rings ? [`the ring has ${link.rings.rx} of ${link.rings.rxMax} descriptors`] : []),
];

export const ringOverrun: Verdict = {
  name: "ring-overrun",
  handOff: "1",
  remedy: [
    "Make the ring as large as the device allows: ethtool -G {interface} rx {ring-max}",
    "Spread the load over more queues, each with a CPU of its own: ethtool -L {interface} combined {queues-max}; check /proc/interrupts",
  ],
  inVain: ["A bigger socket buffer: these datagrams never came as far as a socket"],
  find: (measures) =>
    lossOnLinks(measures, "ring", (measure, loss): Found | undefined =>
      isStarved(measure, loss)
        ? undefined
        : {
            severity: "loss",
            title: `The receive ring of ${measure.link.name} was full: its CPU did not take datagrams out in time`,
            datagrams: loss.datagrams,
            proof: proofOf(measure, loss),
            fill: deviceFill(measure),
          },
    ),
};

export const ringNotEmptied: Verdict = {
  name: "ring-not-emptied",
  handOff: "1",
  remedy: [
    "Look for a program that owns the queues of {interface} (netmap, AF_XDP, DPDK) and does not read them; stop it or make it faster",
    "Without one, the driver hangs: look into dmesg, and set the device up anew: ip link set {interface} down; ip link set {interface} up",
  ],
  inVain: ["A larger ring: it is not emptied, and fills up whatever its size"],
  find: (measures) =>
    lossOnLinks(measures, "ring", (measure, loss): Found | undefined =>
      isStarved(measure, loss)
        ? {
            severity: "loss",
            title: `The receive ring of ${measure.link.name} is hardly emptied: more is lost there than handed on`,
            datagrams: loss.datagrams,
            proof: proofOf(measure, loss),
            fill: deviceFill(measure),
          }
        : undefined,
    ),
};
