import type { ProxyMeasure } from "../reading/proxy_measure.ts";
import { BUNDLE_FORMAT, type Bundle, type RawReading, type Subject } from "../reading/raw.ts";
import type { ReadingPlan } from "../reading/read.ts";
import { SOCKETS } from "../reading/sources.ts";
import type { Witness } from "../reading/witness.ts";

/** How full the queues of sockets are, is looked at so often within a window. */
const SAMPLES = 9;

/** What a bundle is taken of; `wait` and `read` are the outside. */
export interface Taking {
  readonly subject: Subject;
  readonly windowMs: number;
  /** See ReadingPlan. */
  readonly namespace?: string;
}

export interface WindowWitness {
  /** Counts nothing from now on. */
  stop(): void;
  /** Stops, and tells what was counted. Again: the same. */
  end(): Witness;
}

export interface Outside {
  readonly read: (plan: ReadingPlan) => RawReading;
  readonly wait: (ms: number) => Promise<void>;
  /** Begins a second witness of the window; absent: none is asked. */
  readonly witness?: (plan: ReadingPlan) => WindowWitness;
  /** Begins to count what a proxy does; its answer ends that. Absent: none is asked. */
  readonly proxy?: () => Promise<() => Promise<ProxyMeasure | undefined>>;
}

/** Two readings with lighter ones between them, within what the second witness sees. Throws what `outside` throws. */
export async function takeBundle({ subject, windowMs, namespace }: Taking, outside: Outside): Promise<Bundle> {
  const place = namespace === undefined ? {} : { namespace };
  const ports = subject.port === undefined ? {} : { ports: [subject.port] };
  const endProxy = await outside.proxy?.();
  const watching = outside.witness?.({ subject, ...place });
  try {
    const before = outside.read({ subject, ...place });
    const between: RawReading[] = [];
    for (let sample = 0; sample < SAMPLES; sample++) {
      await outside.wait(windowMs / (SAMPLES + 1));
      between.push(outside.read({ subject, ...place, ...ports, sources: SOCKETS }));
    }
    await outside.wait(windowMs / (SAMPLES + 1));
    // A reading begins with the counters and goes on with what takes longer: those who have the sockets open.
    watching?.stop();
    const after = outside.read({ subject, ...place });
    const proxy = await endProxy?.();
    const beside = { ...(watching && { witness: watching.end() }), ...(proxy && { proxy }) };
    return { format: BUNDLE_FORMAT, subject, before, between, after, ...beside };
  } finally {
    watching?.end();
  }
}
