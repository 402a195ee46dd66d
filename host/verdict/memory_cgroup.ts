import type { Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { limitedCgroups, memoryLoss, memoryPressure } from "./udp_memory.ts";
import { count, size } from "./words.ts";

export const memoryCgroup: Verdict = {
  name: "memory-cgroup",
  handOff: "5",
  remedy: [
    "Raise the memory limit of the container (resources.limits.memory) or cgroup {cgroup}: receive buffers count toward it",
    "Or make receive buffers smaller (SO_RCVBUF) until queue and program fit",
  ],
  inVain: ["net.ipv4.udp_mem: it is far from full", "A bigger receive buffer: it takes more of the same limit"],
  find: (measures) => {
    const lost = memoryLoss(measures);
    const limited = limitedCgroups(measures);
    const { pages, limitPages, isNearLimit } = memoryPressure(measures);
    if (!isLoss(lost, measures.totals.arrived) || isNearLimit || limited.length === 0) return [];
    return [
      {
        severity: "loss",
        title: "The memory limit of a cgroup refuses room for datagrams",
        datagrams: lost,
        proof: [
          `refused for want of memory: ${count(lost)}, while UDP holds ${count(pages ?? 0)} of ${count(limitPages ?? 0)} pages of net.ipv4.udp_mem`,
          ...limited.map(
            ({ cgroup, times }) =>
              `${cgroup} came to its limit ${count(times)} times${limitOf(measures.after.memoryCgroups, cgroup)}`,
          ),
        ],
        fill: { cgroup: limited[0]!.cgroup },
      },
    ];
  },
};

function limitOf(all: readonly { readonly cgroup: string; readonly maxBytes?: number }[], cgroup: string): string {
  const maxBytes = all.find((each) => each.cgroup === cgroup)?.maxBytes;
  return maxBytes === undefined ? "" : ` (memory.max ${size(maxBytes)})`;
}
