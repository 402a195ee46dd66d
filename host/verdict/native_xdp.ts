import type { Verdict } from "./finding.ts";
import { lossOnLinks } from "./on_links.ts";

export const nativeXdp: Verdict = {
  name: "native-xdp",
  handOff: "1x",
  remedy: [
    "See whose program it is: ip -details link show {interface}, bpftool net; it drops on purpose, or has a fault",
    "Take it off to try: ip link set dev {interface} xdp off",
  ],
  inVain: ["Looking for drops further up: what XDP drops in the driver is in no counter of kernel, IP or UDP"],
  find: (measures) =>
    lossOnLinks(measures, "xdp", ({ link }, { datagrams, counters }) => ({
      severity: "loss",
      title: `An XDP program in the driver of ${link.name} drops datagrams`,
      datagrams,
      proof: [`${link.name}: ${counters.join(", ")}`, `XDP is attached: ${link.xdp ?? "not seen"}`],
      fill: { interface: link.name },
    })),
};
