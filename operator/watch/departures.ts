import type { Change } from "../../kube/informer.ts";
import type { ObservedService, ObservedSlice } from "../world.ts";

export interface Target {
  readonly address: string;
  readonly port: number;
}

/** Of one Service; the oldest are forgotten first, which makes their removal one that nobody saw. */
const REMEMBERED_MAX = 20_000;

/**
 * Which addresses and ports of Services a watch saw stop being ready. What only is not in a list any more may be the list's fault: an
 * API server that was restored, or one whose lists are short.
 */
export class Departures {
  readonly #gone = new Map<string, Set<string>>();
  /** Services that a watch saw being deleted. */
  readonly #services = new Set<string>();

  observeService({ key, value, origin }: Change<ObservedService>): void {
    if (value !== undefined) this.#services.delete(key);
    else if (origin === "watch" && this.#services.size < REMEMBERED_MAX) this.#services.add(key);
  }

  observe({ value, before, origin }: Change<ObservedSlice>): void {
    const { namespace, service } = (value ?? before)!;
    const key = `${namespace}/${service}`;
    const present = readyIn(value);
    const left = origin === "watch" ? [...readyIn(before)].filter((target) => !present.has(target)) : [];
    const gone = [...(this.#gone.get(key) ?? []), ...left].filter((target) => !present.has(target));
    if (gone.length === 0) this.#gone.delete(key);
    else this.#gone.set(key, new Set(gone.slice(-REMEMBERED_MAX)));
  }

  wasSeenToGo(namespace: string, service: string, { address, port }: Target): boolean {
    const key = `${namespace}/${service}`;
    return this.#services.has(key) || this.#gone.get(key)?.has(`${address} ${port}`) === true;
  }
}

/** Each address with each UDP port of the slice. */
function readyIn(slice: ObservedSlice | undefined): ReadonlySet<string> {
  const ready = (slice?.endpoints ?? []).filter((endpoint) => endpoint.ready && !endpoint.terminating);
  const ports = (slice?.ports ?? []).filter(({ protocol }) => protocol === "UDP");
  return new Set(ready.flatMap(({ address }) => ports.map(({ port }) => `${address} ${port}`)));
}
