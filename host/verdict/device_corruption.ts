import type { Verdict } from "./finding.ts";
import { lossOnLinks } from "./on_links.ts";

export const deviceCorruption: Verdict = {
  name: "damaged-frames",
  handOff: "1",
  remedy: [
    "Change the cable, the transceiver or the switch port of {interface}; the light levels: ethtool -m {interface}",
    "Frames that are too long: let both ends have the same MTU",
  ],
  inVain: ["Anything on this machine's software: the frames came damaged"],
  find: (measures) =>
    lossOnLinks(measures, "corrupt", ({ link }, { datagrams, counters }) => ({
      severity: "loss",
      title: `Frames came to ${link.name} damaged or too long`,
      datagrams,
      proof: [`${link.name}: ${counters.join(", ")}`],
      fill: { interface: link.name },
    })),
};
