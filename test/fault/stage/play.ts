import { statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { judge } from "../../../host/doctor/judge.ts";
import type { Report } from "../../../host/doctor/report.ts";
import { takeBundle } from "../../../host/doctor/take.ts";
import { type Agreement, compareWitness } from "../../../host/path/agreement.ts";
import { measure } from "../../../host/path/measure.ts";
import { liveWatchSystem } from "../../../host/reading/live/system.ts";
import { DropWatch } from "../../../host/reading/live/watch_drops.ts";
import { parseReading } from "../../../host/reading/parse.ts";
import type { Bundle, Subject } from "../../../host/reading/raw.ts";
import { readHost } from "../../../host/reading/read.ts";
import type { Reading } from "../../../host/reading/reading.ts";
import type { Witness } from "../../../host/reading/witness.ts";
import { proxyMeasure } from "../../../proxy/metrics/proxy_measure.ts";
import { PORT, Stage } from "./stage.ts";

/** Long enough for hundreds of datagrams, and far below the ten seconds within which a verdict is promised. */
const WINDOW_MS = 3000;

export interface Played {
  /** By counters alone. */
  readonly report: Report;
  readonly before: Reading;
  readonly after: Reading;
  /** From the moment at which fault and load were there until the report was. */
  readonly seconds: number;
  /** Where this machine has it. */
  readonly witness: Witness;
  /** What both witnesses say of each cause. */
  readonly agreements: readonly Agreement[];
}

/** Plays on a stage of its own, and lets the doctor look at the host meanwhile. */
export async function play(scene: {
  readonly subject?: Subject;
  readonly play: (stage: Stage) => Promise<void>;
}): Promise<Played> {
  const stage = new Stage();
  try {
    await scene.play(stage);
    return await look(stage, scene.subject ?? { port: PORT }, WINDOW_MS);
  } finally {
    await stage.end();
  }
}

/** One window of the doctor's. */
export async function look(stage: Stage, subject: Subject, windowMs: number): Promise<Played> {
  const startedMs = performance.now();
  const counted = await stage.proxy?.counters();
  const { bundle, witness } = await watch(stage.host, subject, windowMs);
  const proxy = counted && proxyMeasure(counted, await stage.proxy!.counters());
  const report = judge({ ...bundle, ...(proxy && { proxy }) });
  const seconds = (performance.now() - startedMs) / 1000;
  const [before, after] = [parseReading(bundle.before!), parseReading(bundle.after)];
  const measures = measure({ subject, before, between: [], after });
  return { report, before, after, seconds, witness, agreements: compareWitness(measures, witness) };
}

async function watch(
  namespace: string,
  subject: Subject,
  windowMs: number,
): Promise<{ bundle: Bundle; witness: Witness }> {
  const { ino } = statSync(`/run/netns/${namespace}`);
  const ports = subject.port === undefined ? [] : [subject.port];
  const second = new DropWatch({ namespace: ino, ports }, liveWatchSystem());
  try {
    const outside = { read: readHost, wait: async (ms: number) => void (await sleep(ms)) };
    return { bundle: await takeBundle({ subject, windowMs, namespace }, outside), witness: second.end() };
  } finally {
    second.end();
  }
}
