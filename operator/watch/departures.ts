import type { Change } from "../../kube/informer.ts";
import type { ObservedSlice } from "../world.ts";

/** Of one Service; the oldest are forgotten first, which makes their removal one that nobody saw. */
const REMEMBERED_MAX = 20_000;

/**
 * Which addresses of Services a watch saw stop being ready. What only is not in a list any more may be the list's fault: an
 * API server that was restored, or one whose lists are short.
 */
export class Departures {
  readonly #gone = new Map<string, Set<string>>();

  observe({ value, before, origin }: Change<ObservedSlice>): void {
    const { namespace, service } = (value ?? before)!;
    const key = `${namespace}/${service}`;
    const present = readyIn(value);
    const left = origin === "watch" ? [...readyIn(before)].filter((address) => !present.has(address)) : [];
    const gone = [...(this.#gone.get(key) ?? []), ...left].filter((address) => !present.has(address));
    if (gone.length === 0) this.#gone.delete(key);
    else this.#gone.set(key, new Set(gone.slice(-REMEMBERED_MAX)));
  }

  wasSeenToGo(namespace: string, service: string, address: string): boolean {
    return this.#gone.get(`${namespace}/${service}`)?.has(address) === true;
  }
}

function readyIn(slice: ObservedSlice | undefined): ReadonlySet<string> {
  const ready = (slice?.endpoints ?? []).filter((endpoint) => endpoint.ready && !endpoint.terminating);
  return new Set(ready.map(({ address }) => address));
}
