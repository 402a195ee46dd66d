import { setTimeout as sleep } from "node:timers/promises";
import type { Admin } from "../../integration/operator/fixtures.ts";
import { until } from "../../until.ts";
import { type Spread, spreadOf } from "../spread.ts";
import type { Slices } from "./cluster.ts";
import { merge, type OperatorProcess, totalOf } from "./operator_process.ts";
import type { Seen } from "./probe.ts";
import { followIndex, untilProgrammed } from "./watching.ts";

export interface ChangesOptions {
  readonly admin: Admin;
  readonly operator: OperatorProcess;
  readonly slices: Slices;
  readonly count: number;
  readonly nodes: number;
  /** Whether every node has one change before the next is made; otherwise they come while the nodes report. */
  readonly atRest: boolean;
}

export interface Changes {
  readonly seen: Seen;
  /** From the write of the slice to the new index at the API server. */
  readonly milliseconds: Spread;
  readonly p99: number;
  /** Octets that the operator wrote for one; of those in a row the mean. */
  readonly octets: Spread;
}

/** Until the status of the QuicProxy says that the nodes do not have it yet; and what comes after they have. */
const REPORTED_MS = 1000;

/** One endpoint at a time changes: is ready no more or again, or is replaced. */
export async function measureChanges(options: ChangesOptions): Promise<Changes> {
  const { admin, operator, slices, count, nodes, atRest } = options;
  let arrivedAtMs = 0;
  const informer = followIndex(admin, () => {
    arrivedAtMs = performance.now();
  });
  await until("the index", async () => arrivedAtMs > 0);
  await operator.seen();
  const milliseconds: number[] = [];
  const octets: number[] = [];
  let all: Seen | undefined;
  for (let index = 0; index < count; index++) {
    arrivedAtMs = 0;
    const startedAtMs = performance.now();
    await (index % 2 === 0 ? slices.turn(index) : slices.replace(index));
    while (arrivedAtMs === 0) await sleep(1);
    milliseconds.push(arrivedAtMs - startedAtMs);
    await sleep(REPORTED_MS);
    if (!atRest && index < count - 1) continue;
    await untilProgrammed(admin, nodes, 0);
    await sleep(REPORTED_MS);
    const seen = await operator.seen();
    octets.push(totalOf(seen).octets / (atRest ? 1 : count));
    all = merge(all, seen);
  }
  await informer.stop();
  const sorted = milliseconds.toSorted((a, b) => a - b);
  const p99 = sorted[Math.ceil(0.99 * sorted.length) - 1]!;
  return { seen: all!, milliseconds: spreadOf(milliseconds), p99, octets: spreadOf(octets) };
}
