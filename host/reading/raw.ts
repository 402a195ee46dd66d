import type { ProxyMeasure } from "./proxy_measure.ts";
import type { Witness } from "./witness.ts";

/*
 * What the kernel said, unparsed: what bundles hold and what trouble reports quote. Parsing comes after, so that a bundle
 * of today is judged by the parsers of tomorrow.
 */

/** What was read of one source: text, the octets of netlink answers in base64, or why there is nothing. */
export type RawSource = { readonly text: string } | { readonly base64: string } | { readonly error: string };

/** Every source at one moment. */
export interface RawReading {
  /** Milliseconds of a clock that never jumps; of use only beside another reading of the same run. */
  readonly steadyMs: number;
  /** RFC 3339 time, for people. */
  readonly time: string;
  /** Names as in sources.ts: the path of a file without the leading slash, or family/what of a netlink request. */
  readonly sources: Readonly<Record<string, RawSource>>;
}

/** What is asked about. Nothing named: the whole network namespace. */
export interface Subject {
  /** UDP port of the sockets. */
  readonly port?: number;
  /** Name of the network interface on which the datagrams arrive. */
  readonly interface?: string;
}

export const BUNDLE_FORMAT = "quicproxy.io/doctor-bundle/v1";

/** Two readings, to be judged here or elsewhere. One alone: only history can be told. */
export interface Bundle {
  readonly format: typeof BUNDLE_FORMAT;
  readonly subject: Subject;
  readonly before?: RawReading;
  /** Lighter readings within the window, in order of time: how full the queues of the sockets were. */
  readonly between?: readonly RawReading[];
  readonly after: RawReading;
  /** Why the kernel dropped what it dropped between `before` and `after`; see compareWitness. */
  readonly witness?: Witness;
  /** What a proxy on this host counted between them. */
  readonly proxy?: ProxyMeasure;
  /** Where the readings come from, for people: a recorded trouble report says so here. */
  readonly note?: string;
}
