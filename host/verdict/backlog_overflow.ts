import type { CpuMeasure } from "../path/measures.ts";
import type { Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { count, share } from "./words.ts";

const CPUS_SHOWN = 3;
const BACKLOG_DEFAULT = 1000;

export const backlogOverflow: Verdict = {
  name: "backlog-overflow",
  handOff: "2",
  remedy: [
    "Spread the work over more CPUs: more device queues (ethtool -L), or RPS (/sys/class/net/INTERFACE/queues/rx-0/rps_cpus)",
    "Against bursts, a longer backlog: sysctl -w net.core.netdev_max_backlog={backlog}",
  ],
  inVain: ["A bigger socket buffer: these datagrams were lost before IP"],
  find: ({ cpus = [], after }) => {
    const losing = cpus.filter(({ dropped }) => (dropped ?? 0) > 0).sort((a, b) => dropsOf(b) - dropsOf(a));
    const datagrams = losing.reduce((sum, cpu) => sum + dropsOf(cpu), 0);
    const processed = cpus.reduce((sum, cpu) => sum + (cpu.processed ?? 0), 0);
    if (!isLoss(datagrams, processed + datagrams)) return [];
    const limited = cpus.reduce((sum, { flowLimit }) => sum + (flowLimit ?? 0), 0);
    const backlog = after.sysctls.get("net.core.netdev_max_backlog")?.[0];
    return [
      {
        severity: "loss",
        title: "A CPU's backlog was full: it takes datagrams out slower than others put them in",
        datagrams,
        arrived: processed + datagrams,
        proof: [
          `softnet dropped ${count(datagrams)}, ${share(datagrams, processed + datagrams)} of what CPUs took, on ${losing.length} of ${cpus.length} CPUs (machine-wide)`,
          ...losing.slice(0, CPUS_SHOWN).map(lineOf),
          ...(limited > 0 ? [`flow_limit refused ${count(limited)} of them: one flow had most of the backlog`] : []),
          ...(backlog === undefined ? [] : [`net.core.netdev_max_backlog is ${count(backlog)}`]),
        ],
        fill: { backlog: String(Math.max(BACKLOG_DEFAULT, backlog ?? 0) * 4) },
      },
    ];
  },
};

const dropsOf = ({ dropped }: CpuMeasure): number => dropped ?? 0;

function lineOf(cpu: CpuMeasure): string {
  const busy = cpu.softirqShare === undefined ? "" : `, ${share(cpu.softirqShare, 1)} of its time in softirq`;
  return `CPU ${cpu.cpu}: dropped ${count(dropsOf(cpu))}${busy}`;
}
