import type { CpuMeasure, Measures } from "../path/measures.ts";
import type { Verdict } from "./finding.ts";
import { count, perSecond, share } from "./words.ts";

const SATURATED = 0.85;
const OTHERS_IDLE = 0.5;
/** Of all datagrams on one CPU; of interest only where there are many. */
const ALMOST_ALL = 0.9;
const MANY_PER_SECOND = 50_000;

export const softirqCpu: Verdict = {
  name: "one-softirq-cpu",
  handOff: "2",
  remedy: [
    "Let the device use more queues, each with a CPU of its own: ethtool -L INTERFACE combined N; /proc/irq/*/smp_affinity_list",
    "With one queue, let software spread flows: RPS (/sys/class/net/INTERFACE/queues/rx-0/rps_cpus)",
  ],
  inVain: ["More CPUs for the program that reads: datagrams come to it through this one"],
  find: (measures) => {
    const { cpus = [], seconds } = measures;
    const proof = cpus.length === 0 ? undefined : (saturated(cpus) ?? crowded(measures, seconds));
    if (proof === undefined) return [];
    return [
      {
        severity: "warning",
        title: "One CPU does the softirq work of all",
        datagrams: undefined,
        proof: [proof],
      },
    ];
  },
};

function saturated(cpus: readonly CpuMeasure[]): string | undefined {
  const busiest = cpus.reduce((most, cpu) => ((cpu.softirqShare ?? 0) > (most.softirqShare ?? 0) ? cpu : most));
  if ((busiest.softirqShare ?? 0) < SATURATED) return undefined;
  const busy = `CPU ${busiest.cpu} spends ${share(busiest.softirqShare ?? 0, 1)} of its time in softirq`;
  const others = cpus.filter((cpu) => cpu !== busiest);
  if (others.length === 0) return `${busy}; it is the only one`;
  const idle = others.reduce((sum, cpu) => sum + (cpu.idleShare ?? 0), 0) / others.length;
  return idle < OTHERS_IDLE ? undefined : `${busy}; the others are idle for ${share(idle, 1)}`;
}

function crowded({ cpus = [] }: Measures, seconds: number): string | undefined {
  if (cpus.length < 2) return undefined;
  const total = cpus.reduce((sum, { processed }) => sum + (processed ?? 0), 0);
  const most = cpus.reduce((first, cpu) => ((cpu.processed ?? 0) > (first.processed ?? 0) ? cpu : first));
  const processed = most.processed ?? 0;
  if (processed < ALMOST_ALL * total || processed < MANY_PER_SECOND * seconds) return undefined;
  return `CPU ${most.cpu} takes ${share(processed, total)} of ${count(total)} datagrams (${perSecond(processed, seconds)})`;
}
