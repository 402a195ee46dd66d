import type { Child } from "../../../proxy/lab/child.ts";
import type { Edge } from "../lab.ts";
import type { LoadTarget } from "../load.ts";

/** Where a contender does its work: what the data plane says of itself. */
export interface Levels {
  upstreamLevel: string;
  steering: string;
}

/** What stands between client and backend while it is measured. */
export interface Contender {
  name: string;
  edge: Edge;
  /** Where the client sends to. */
  target: LoadTarget;
  /** Absent where the kernel does the work. */
  process?: Child;
  /** Of quicproxy only. */
  levels?: Levels;
  /** Where quicproxy serves its counters; undefined of others. */
  metricsUrl?: string;
}
