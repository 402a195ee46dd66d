import type { Measurement } from "../../bench/measure.ts";

/** A measurement in which nothing happened but what a test says. */
export function measurement(contender: string, round: number, given: Partial<Measurement> = {}): Measurement {
  return {
    contender,
    round,
    flows: 100,
    burst: 1,
    train: 1,
    rate: 1000,
    roundTrips: 1,
    perSecond: 0,
    loss: 0,
    bufferErrors: 0,
    p50Us: 0,
    p99Us: 0,
    repeated: 0,
    processUs: 0,
    workersUs: 0,
    togetherUs: 0,
    machineUs: 0,
    ...given,
  };
}
