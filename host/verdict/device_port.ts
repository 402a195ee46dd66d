import type { Verdict } from "./finding.ts";
import { deviceFill, lossOnLinks } from "./on_links.ts";

export const devicePort: Verdict = {
  name: "device-port-full",
  handOff: "1",
  remedy: [
    "Check the width and speed that PCIe came up with: lspci -vv, LnkSta against LnkCap",
    "Let the device ask its peer to pause: ethtool -A {interface} rx on tx on, and the same on the switch",
    "Try iommu=pt on the kernel's command line: translations may slow the device's writes",
  ],
  inVain: ["A larger ring or socket buffer: the device refused the frames before its rings"],
  find: (measures) =>
    lossOnLinks(measures, "port", (measure, { datagrams, counters }) => ({
      severity: "loss",
      title: `${measure.link.name} refused frames at its port: the host takes them too slowly over PCIe`,
      datagrams,
      proof: [`${measure.link.name}: ${counters.join(", ")}`],
      fill: deviceFill(measure),
    })),
};
