import type { Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { count, share } from "./words.ts";

export const timeSqueeze: Verdict = {
  name: "time-squeeze",
  handOff: "2",
  remedy: [
    "Watch for loss at the next higher load; sysctl -w net.core.netdev_budget=600 net.core.netdev_budget_usecs=8000 lets a round take longer",
  ],
  inVain: ["A longer backlog: nothing overflowed"],
  find: ({ cpus = [] }) => {
    const squeezed = cpus.reduce((sum, cpu) => sum + (cpu.timeSqueeze ?? 0), 0);
    const processed = cpus.reduce((sum, cpu) => sum + (cpu.processed ?? 0), 0);
    if (!isLoss(squeezed, processed)) return [];
    return [
      {
        severity: "warning",
        title: "Softirq rounds ended with work left over: no loss by itself",
        datagrams: undefined,
        proof: [
          `time_squeeze ${count(squeezed)}, once in ${count(processed / squeezed)} datagrams (${share(squeezed, processed)})`,
        ],
      },
    ];
  },
};
