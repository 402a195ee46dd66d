import { parseArgs } from "node:util";

export interface BenchOptions {
  /** Round trips per second. */
  rate: number;
  /** Numbers of datagrams that leave together; each makes tables of its own. */
  bursts: readonly number[];
  /** Length of each measurement. */
  seconds: number;
  rounds: number;
  /** Numbers of flows, likewise. */
  flows: readonly number[];
}

const limits = { rate: 1_000_000, bursts: 1024, seconds: 600, rounds: 1000, flows: 60_000 } as const;

/** Throws with what is allowed. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rate: { type: "string", default: "20000" },
      bursts: { type: "string", default: "1,16" },
      seconds: { type: "string", default: "2" },
      rounds: { type: "string", default: "5" },
      flows: { type: "string", default: "100,1000" },
    },
  });
  const number = (name: keyof typeof limits, text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= 1 && value <= limits[name]) return value;
    throw new Error(`--${name} ${text}: allowed is a whole number from 1 to ${limits[name]}`);
  };
  const list = (name: keyof typeof limits, text: string): number[] => text.split(",").map((one) => number(name, one));
  return {
    rate: number("rate", values.rate),
    bursts: list("bursts", values.bursts),
    seconds: number("seconds", values.seconds),
    rounds: number("rounds", values.rounds),
    flows: list("flows", values.flows),
  };
}
