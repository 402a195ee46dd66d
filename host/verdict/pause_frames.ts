import type { Verdict } from "./finding.ts";
import { lossOnLinks } from "./on_links.ts";

export const pauseFrames: Verdict = {
  name: "back-pressure",
  handOff: "1",
  remedy: [
    "Watch for loss at the next higher load; a larger ring (ethtool -G {interface} rx {ring-max}) and more queues give room",
  ],
  inVain: ["Switching pause frames off: then the same datagrams are lost"],
  find: (measures) =>
    lossOnLinks(measures, "pressure", ({ link }, { counters }) => ({
      severity: "warning",
      title: `${link.name} asks its peer to wait, or waited for descriptors: no loss yet`,
      datagrams: undefined,
      proof: [`${link.name}: ${counters.join(", ")}`],
      fill: { interface: link.name, ...(link.rings && { "ring-max": String(link.rings.rxMax) }) },
    })),
};
