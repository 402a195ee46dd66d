import type { Verdict } from "./finding.ts";
import { lossOnLinks } from "./on_links.ts";

export const driverMemory: Verdict = {
  name: "driver-memory",
  handOff: "1",
  remedy: [
    "Keep more memory free for the kernel: sysctl -w vm.min_free_kbytes=262144",
    "Look at what uses it up: free -m, and Slab in /proc/meminfo",
  ],
  inVain: ["A bigger socket buffer: it takes memory from where it is short"],
  find: (measures) =>
    lossOnLinks(measures, "memory", ({ link }, { datagrams, counters }) => ({
      severity: "loss",
      title: `The driver of ${link.name} got no memory for datagrams`,
      datagrams,
      proof: [`${link.name}: ${counters.join(", ")}`],
    })),
};
