import type { QuicProxyStatus } from "../crds/status_schema.ts";
import type { Happening } from "../kube/events.ts";
import { statusHappenings } from "./happenings.ts";
import type { ObservedProxy } from "./world.ts";

/** What a QuicProxy may lack that was made a moment ago: objects come in any order, and pods take their time. */
const STARTING: ReadonlySet<string> = new Set([
  "ServiceNotFound",
  "NoBackends",
  "NotReady",
  "PodNotReady",
  "KeysMissing",
  "BackendsDown",
]);
/** As long as a pod may take to pull an image and a kubelet to bring a Secret. */
const STARTING_MS = 60_000;

interface Held {
  readonly uid: string;
  /** By a clock that never jumps. */
  readonly untilMs: number;
  readonly reasons: Set<string>;
}

export interface Told {
  readonly happenings: readonly Happening[];
  /** After how many milliseconds more may be to tell; undefined: not before something changes. */
  readonly againMs: number | undefined;
}

/** Keeps from warning of a QuicProxy what only takes its time while it starts. What still holds afterwards is told then. */
export class Patience {
  readonly #clocks: { readonly now: () => number; readonly steadyMs: () => number };
  readonly #held = new Map<string, Held>();

  constructor(clocks: { readonly now: () => number; readonly steadyMs: () => number }) {
    this.#clocks = clocks;
  }

  /** The QuicProxy is gone; one that is made under its name starts anew. */
  forget(key: string): void {
    this.#held.delete(key);
  }

  /** What of the news is to be told now, and what was held and still holds. */
  sift(proxy: ObservedProxy, news: readonly Happening[], status: Partial<QuicProxyStatus>): Told {
    const { untilMs, reasons } = this.#of(proxy);
    const leftMs = untilMs - this.#clocks.steadyMs();
    if (leftMs <= 0) {
      const late = statusHappenings({}, status).filter(({ reason }) => reasons.has(reason));
      reasons.clear();
      const others = news.filter(({ reason }) => !late.some((each) => each.reason === reason));
      return { happenings: [...late, ...others], againMs: undefined };
    }
    const isEarly = ({ type, reason }: Happening): boolean => type === "Warning" && STARTING.has(reason);
    for (const { reason } of news.filter(isEarly)) reasons.add(reason);
    return { happenings: news.filter((each) => !isEarly(each)), againMs: reasons.size > 0 ? leftMs : undefined };
  }

  /** Its age is by two clocks, so it is only believed as far as the time goes for which it matters. */
  #of({ key, uid, createdAt }: ObservedProxy): Held {
    const known = this.#held.get(key);
    if (known?.uid === uid) return known;
    const ageMs = Math.max(0, this.#clocks.now() - (Date.parse(createdAt) || 0));
    const held = {
      uid,
      untilMs: this.#clocks.steadyMs() + Math.max(0, STARTING_MS - ageMs),
      reasons: new Set<string>(),
    };
    this.#held.set(key, held);
    return held;
  }
}
