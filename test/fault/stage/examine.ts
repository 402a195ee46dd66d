import { setTimeout as sleep } from "node:timers/promises";
import { readHost } from "../../../host/reading/read.ts";
import { BUNDLE_FORMAT, type Bundle, type RawReading, type Subject } from "../../../host/reading/raw.ts";

const BETWEEN = 8;

/** What the doctor would read within a window of a namespace. */
export async function examine(namespace: string, subject: Subject, windowMs: number): Promise<Bundle> {
  const read = (): RawReading => readHost({ subject, namespace });
  const before = read();
  const between: RawReading[] = [];
  for (let turn = 0; turn < BETWEEN; turn++) {
    await sleep(windowMs / (BETWEEN + 1));
    between.push(read());
  }
  await sleep(windowMs / (BETWEEN + 1));
  return { format: BUNDLE_FORMAT, subject, before, between, after: read() };
}
