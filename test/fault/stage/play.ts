import { setTimeout as sleep } from "node:timers/promises";
import { judge } from "../../../host/doctor/judge.ts";
import type { Report } from "../../../host/doctor/report.ts";
import { takeBundle } from "../../../host/doctor/take.ts";
import { parseReading } from "../../../host/reading/parse.ts";
import type { Subject } from "../../../host/reading/raw.ts";
import { readHost } from "../../../host/reading/read.ts";
import type { Reading } from "../../../host/reading/reading.ts";
import { proxyMeasure } from "../../../proxy/metrics/proxy_measure.ts";
import { PORT, Stage } from "./stage.ts";

/** Long enough for hundreds of datagrams, and far below the ten seconds within which a verdict is promised. */
const WINDOW_MS = 3000;

export interface Played {
  readonly report: Report;
  readonly before: Reading;
  readonly after: Reading;
  /** From the moment at which fault and load were there until the report was. */
  readonly seconds: number;
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
  const outside = { read: readHost, wait: async (ms: number) => void (await sleep(ms)) };
  const bundle = await takeBundle({ subject, windowMs, namespace: stage.host }, outside);
  const proxy = counted && proxyMeasure(counted, await stage.proxy!.counters());
  const report = judge(bundle, proxy);
  const seconds = (performance.now() - startedMs) / 1000;
  return { report, before: parseReading(bundle.before!), after: parseReading(bundle.after), seconds };
}
