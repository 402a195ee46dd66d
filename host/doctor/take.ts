import { BUNDLE_FORMAT, type Bundle, type RawReading, type Subject } from "../reading/raw.ts";
import type { ReadingPlan } from "../reading/read.ts";

/** How full the queues of sockets are, is looked at so often within a window. */
const SAMPLES = 9;

/** All that tells it; with a port, only the sockets of that port are asked for. */
const SOCKETS: ReadonlySet<string> = new Set(["inet_diag/udp4", "inet_diag/udp6"]);

/** What a bundle is taken of; `wait` and `read` are the outside. */
export interface Taking {
  readonly subject: Subject;
  readonly windowMs: number;
  /** See ReadingPlan. */
  readonly namespace?: string;
}

/** Two readings with lighter ones between them. Throws what `read` throws. */
export async function takeBundle(
  { subject, windowMs, namespace }: Taking,
  outside: { readonly read: (plan: ReadingPlan) => RawReading; readonly wait: (ms: number) => Promise<void> },
): Promise<Bundle> {
  const place = namespace === undefined ? {} : { namespace };
  const ports = subject.port === undefined ? {} : { ports: [subject.port] };
  const before = outside.read({ subject, ...place });
  const between: RawReading[] = [];
  for (let sample = 0; sample < SAMPLES; sample++) {
    await outside.wait(windowMs / (SAMPLES + 1));
    between.push(outside.read({ subject, ...place, ...ports, sources: SOCKETS }));
  }
  await outside.wait(windowMs / (SAMPLES + 1));
  return { format: BUNDLE_FORMAT, subject, before, between, after: outside.read({ subject, ...place }) };
}
