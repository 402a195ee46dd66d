import type { ApiClient } from "../kube/client.ts";
import { FencedError } from "../kube/fence.ts";
import type { Lanes } from "../kube/lanes.ts";
import { RESOURCES } from "../kube/resources.ts";
import type { Log } from "../process/log.ts";
import type { ObservedWorld } from "./apply.ts";
import { isSilent } from "./status/nodes.ts";
import { type Silence, silenceOf } from "./status/silence.ts";
import { SILENT_AFTER_MS } from "./watch/heartbeats.ts";
import type { ObservedNodeObject, ObservedProxy } from "./world.ts";
import { writeStatus } from "./write_status.ts";

export interface SilencesOptions {
  readonly client: Pick<ApiClient, "apply">;
  readonly caches: ObservedWorld;
  readonly lanes: Lanes;
}

/** The age of a report grows with the signs of life of the watch, which come once a minute where nothing happens. */
const LOOK_MIN_MS = 5000;

/**
 * Says in the status of each node whose proxy is silent that nobody knows how it is. Its next report takes that back; where
 * that is of an older version, which does not know of it, it is taken back here.
 */
export class Silences {
  readonly #options: SilencesOptions;

  constructor(options: SilencesOptions) {
    this.#options = options;
  }

  /**
   * Returns after how many milliseconds to look again, or undefined. One that cannot be written keeps no other from it.
   * @throws what kept one from being written.
   */
  async say(proxy: ObservedProxy, log: Log): Promise<number | undefined> {
    const { caches } = this.#options;
    const objects = caches.nodeObjects(proxy.namespace, proxy.name);
    const due = objects
      .filter((object) => this.#isSilent(object))
      .flatMap((object) => {
        const silence = object.reportedAt === undefined ? {} : silenceOf(caches, proxy, object);
        return isSaid(object, silence) ? [] : [{ object, silence }];
      });
    const faults = await this.#options.lanes.each(due, ({ object, silence }) => this.#write(object, silence, log));
    const fault = faults.find((error) => error instanceof FencedError) ?? faults[0];
    if (fault !== undefined) throw fault;
    return this.#nextMs(objects);
  }

  #ageMs({ namespace, name }: ObservedNodeObject): number | undefined {
    return this.#options.caches.reportAgeMs(namespace, name);
  }

  #isSilent(object: ObservedNodeObject): boolean {
    return isSilent(object.status) || (this.#ageMs(object) ?? 0) >= SILENT_AFTER_MS;
  }

  /** When the first of those that are not silent may be. */
  #nextMs(objects: readonly ObservedNodeObject[]): number | undefined {
    const ages = objects.filter((object) => !this.#isSilent(object)).flatMap((object) => this.#ageMs(object) ?? []);
    if (ages.length === 0) return undefined;
    const oldestMs = ages.reduce((oldest, age) => Math.max(oldest, age), 0);
    return Math.max(LOOK_MIN_MS, SILENT_AFTER_MS - oldestMs);
  }

  async #write({ namespace, name, nodeName }: ObservedNodeObject, silence: Silence, log: Log): Promise<void> {
    const isThere = await writeStatus(this.#options, RESOURCES.quicProxyNodes, { namespace, name }, silence);
    if (isThere && silence.message !== undefined) log.warn({ node: nodeName }, `${nodeName} ${silence.message}`);
  }
}

function isSaid({ status }: ObservedNodeObject, { readiness, reason, message }: Silence): boolean {
  return status.readiness === readiness && status.reason === reason && status.message === message;
}
