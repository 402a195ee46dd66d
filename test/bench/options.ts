import { parseArgs } from "node:util";

export interface BenchOptions {
  /** Names of scenarios; empty: all. */
  scenarios: readonly string[];
  /** Round trips per second, where a scenario does not find its own rate. */
  rate: number;
  /** Numbers of datagrams that leave together; each makes tables of its own. */
  bursts: readonly number[];
  /** Length of each measurement. */
  seconds: number;
  rounds: number;
  /** Numbers of flows, likewise. */
  flows: readonly number[];
  /** Flows of the scenario with many. */
  liveFlows: number;
  /** Of one download or upload. */
  megabytes: number;
  /** Share of a CPU that each packet thread may use in the overload, in percent. */
  cpuPercent: number;
}

const limits = {
  rate: 1_000_000,
  bursts: 1024,
  seconds: 600,
  rounds: 1000,
  flows: 60_000,
  "live-flows": 1_000_000,
  megabytes: 10_000,
  "cpu-percent": 100,
} as const;

const defaults = {
  rate: "20000",
  bursts: "1,16",
  seconds: "2",
  rounds: "5",
  flows: "1000,19000",
  "live-flows": "1000000",
  megabytes: "200",
  "cpu-percent": "30",
} as const satisfies Record<keyof typeof limits, string>;

/** Throws with what is allowed. */
export function parseOptions(args: readonly string[], scenarios: readonly string[]): BenchOptions {
  const numeric = Object.entries(defaults).map(([name, value]) => [name, { type: "string", default: value }] as const);
  const { values } = parseArgs({
    args: [...args],
    options: { ...Object.fromEntries(numeric), scenario: { type: "string" } },
  });
  const text = values as Record<keyof typeof limits, string> & { scenario?: string };
  const number = (name: keyof typeof limits, value: string = text[name]): number => {
    const parsed = Number(value);
    if (Number.isInteger(parsed) && parsed >= 1 && parsed <= limits[name]) return parsed;
    throw new Error(`--${name} ${value}: allowed is a whole number from 1 to ${limits[name]}`);
  };
  const list = (name: keyof typeof limits): number[] => text[name].split(",").map((one) => number(name, one));
  return {
    scenarios: chosenOf(text.scenario, scenarios),
    rate: number("rate"),
    bursts: list("bursts"),
    seconds: number("seconds"),
    rounds: number("rounds"),
    flows: list("flows"),
    liveFlows: number("live-flows"),
    megabytes: number("megabytes"),
    cpuPercent: number("cpu-percent"),
  };
}

function chosenOf(text: string | undefined, scenarios: readonly string[]): string[] {
  const chosen = text?.split(",") ?? [...scenarios];
  const unknown = chosen.find((one) => !scenarios.includes(one));
  if (unknown === undefined) return chosen;
  throw new Error(`--scenario ${unknown}: allowed are ${scenarios.join(", ")}, several with commas between`);
}
