import { isRxDroppedLoss, lostInDevice, unexplainedDrops } from "../path/device_loss.ts";
import { isKnownDriver } from "../path/driver_counters.ts";
import type { LinkMeasure, Measures } from "../path/measures.ts";
import type { Found, Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { deviceFill, lossOnLinks } from "./on_links.ts";
import { count, share } from "./words.ts";

export const deviceUnknown: Verdict = {
  name: "unknown-device-counter",
  handOff: "1",
  remedy: [
    "Look up in the driver's source or manual what the counter means: ethtool -i {interface} names the driver",
    "Send the same load through another interface, and compare what the sender sent with what arrives",
  ],
  inVain: [],
  find: (measures) =>
    lossOnLinks(measures, "suspect", ({ link }, { datagrams, counters }) => ({
      severity: "possible",
      title: `Possible loss in the device ${link.name}: a counter moved that this program does not know`,
      datagrams: undefined,
      proof: [
        `${link.name} (${link.driver?.name ?? "unknown driver"}): unknown counter ${counters.join(", ")}`,
        `as many as ${count(datagrams)}, if it means loss`,
      ],
      fill: { interface: link.name },
    })),
};

function onDrops(
  { links = [], cpus = [] }: Measures,
  found: (measure: LinkMeasure, drops: number) => Found | undefined,
): Found[] {
  const ofBacklogs = cpus.reduce((sum, { dropped }) => sum + (dropped ?? 0), 0);
  return links.flatMap((measure) => {
    const drops = unexplainedDrops(measure, ofBacklogs);
    const arrived = (measure.received ?? 0) + drops;
    const one = isLoss(drops, arrived) ? found(measure, drops) : undefined;
    return one === undefined ? [] : [{ arrived, ...one }];
  });
}

/** Of hardware, only a driver that is known tells its own loss apart from what the stack had no use for. */
const isTold = ({ link }: LinkMeasure): boolean =>
  link.kind !== undefined || (isKnownDriver(link.driver?.name) && link.driverStats !== undefined);

export const rxDropped: Verdict = {
  name: "dropped-by-device",
  handOff: "1",
  remedy: [
    "Make the ring as large as the device allows: ethtool -G {interface} rx {ring-max}",
    "Spread the load over more queues: ethtool -L {interface} combined {queues-max}",
  ],
  inVain: ["A bigger socket buffer: these datagrams never came as far as a socket"],
  find: (measures) =>
    onDrops(measures, (measure, drops) => {
      const { link, received = 0 } = measure;
      if (!isRxDroppedLoss(measure)) return undefined;
      return {
        severity: "loss",
        title: `The device ${link.name} dropped datagrams; its driver (${link.driver?.name}) has no other counter of it`,
        datagrams: drops,
        proof: [`${link.name}: rx_dropped ${count(drops)}, ${share(drops, drops + received)} of what came`],
        fill: deviceFill(measure),
      };
    }),
};

export const rxDroppedUntold: Verdict = {
  name: "dropped-by-device-or-stack",
  handOff: "1",
  remedy: [
    "Let this program read the driver's counters (ethtool -S {interface}): it lacks the right, or the driver has none that are known",
    "Count frames of unknown kinds: tcpdump -i {interface} -c 100 not ip and not ip6 and not arp",
  ],
  inVain: [],
  find: (measures) =>
    onDrops(measures, (measure, drops) => {
      const { link, received = 0 } = measure;
      if (isRxDroppedLoss(measure) || isTold(measure)) return undefined;
      return {
        severity: "possible",
        title: `${link.name} counts dropped frames, and nothing tells whether they were ours`,
        datagrams: undefined,
        proof: [
          `${link.name}: rx_dropped ${count(drops)} beyond what backlogs and device explain, ${share(drops, drops + received)} of what came`,
        ],
        fill: { interface: link.name },
      };
    }),
};

export const notOurs: Verdict = {
  name: "not-ours",
  handOff: "1",
  remedy: [
    "Nothing has to be done: frames of protocols that nobody on this machine wants (loop prevention of switches, powerline adapters, unknown VLANs) are dropped as they should be",
    "To see them: tcpdump -e -i {interface} -c 100 not ip and not ip6 and not arp",
  ],
  inVain: ["Rings, buffers and sysctls: nothing of yours is lost"],
  find: (measures) =>
    onDrops(measures, (measure, drops) => {
      const { link, received = 0 } = measure;
      if (isRxDroppedLoss(measure) || !isTold(measure)) return undefined;
      return {
        severity: "other",
        title: `${link.name} dropped frames that nobody wanted: no datagrams of ours`,
        datagrams: drops,
        proof: [
          `${link.name}: rx_dropped ${count(drops)}, ${share(drops, drops + received)} of what came; the device's own counters of loss say ${count(lostInDevice(measure))}, and no backlog overflowed by so many`,
        ],
        fill: { interface: link.name },
      };
    }),
};
