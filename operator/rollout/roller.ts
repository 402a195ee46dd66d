import type { ApiClient } from "../../kube/client.ts";
import { hasStatus } from "../../kube/errors.ts";
import type { Events } from "../../kube/events.ts";
import type { Lanes } from "../../kube/lanes.ts";
import { RESOURCES } from "../../kube/resources.ts";
import type { Log } from "../../process/log.ts";
import type { ObservedWorld } from "../apply.ts";
import type { InForce } from "../plan/decide.ts";
import type { ObservedProxy } from "../world.ts";
import { rolloutInputs } from "./observe.ts";
import type { RolloutProgress } from "./progress.ts";
import { type RolloutRecord, recordAnnotation } from "./record.ts";
import { nextStep, type RolloutAction } from "./step.ts";

export interface RollerOptions {
  readonly client: ApiClient;
  readonly caches: ObservedWorld;
  readonly events: Pick<Events, "record">;
  readonly lanes: Lanes;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** How far a QuicProxy's rollout is, and when to come again. */
export interface Rolled {
  readonly progress: RolloutProgress | undefined;
  readonly againMs: number | undefined;
  /** What could not be done; the rest is done all the same. */
  readonly fault: Error | undefined;
}

/** Does what step.ts says. Nothing here is remembered but for metrics: what was done is on the cluster's objects. */
export class Roller {
  readonly #options: RollerOptions;
  readonly #progress = new Map<string, RolloutProgress>();
  #replaced = 0;

  constructor(options: RollerOptions) {
    this.#options = options;
  }

  /** Rollouts under way, by the key of their QuicProxy. */
  get progress(): ReadonlyMap<string, RolloutProgress> {
    return this.#progress;
  }

  /** Pods deleted since the start. */
  get replaced(): number {
    return this.#replaced;
  }

  forget(proxyKey: string): void {
    this.#progress.delete(proxyKey);
  }

  /** Takes one step. */
  async roll(proxy: ObservedProxy, inForce: InForce, log: Log): Promise<Rolled> {
    const { caches, lanes, now } = this.#options;
    const { actions, progress, againMs } = nextStep(rolloutInputs(caches, proxy, inForce, now()));
    if (progress === undefined) this.forget(proxy.key);
    else this.#progress.set(proxy.key, progress);
    const [fault] = await lanes.each(actions, (action) => this.#act(proxy, action, log));
    return { progress, againMs, fault };
  }

  async #act(proxy: ObservedProxy, action: RolloutAction, log: Log): Promise<void> {
    const { objectName, nodeName } = action.node;
    if (action.kind === "undrain") return this.#patch(proxy, objectName, { spec: { drain: null } });
    const { kind, record } = action;
    if (kind === "drain") {
      log.info({ node: nodeName }, `${nodeName}: the proxy is drained, to be replaced`);
      return this.#patch(proxy, objectName, { ...annotated(record), spec: { drain: true } });
    }
    // First what is known of the former pod: whoever finds it deleted has to know what the new one is measured by.
    if (action.node.record !== record) await this.#patch(proxy, objectName, annotated(record));
    await this.#replace(proxy, action, log);
  }

  async #replace(
    proxy: ObservedProxy,
    { node, why }: Extract<RolloutAction, { kind: "replace" }>,
    log: Log,
  ): Promise<void> {
    const { client, caches, events } = this.#options;
    const { nodeName, pod } = node;
    if (pod === undefined) return;
    const { pods } = RESOURCES;
    try {
      const place = { namespace: pod.namespace, name: pod.name };
      const answer = await client.delete(pods, place, { uid: pod.uid });
      if (answer !== undefined) caches.assume(pods, answer);
    } catch (error) {
      // It is another one by now; what becomes of that is for the next step.
      if (hasStatus(error, 409)) return;
      throw error;
    }
    this.#replaced++;
    const note = `${nodeName}: pod ${pod.name} is replaced: ${why}`;
    log.info({ node: nodeName, pod: pod.name }, note);
    await events.record(proxy, { type: "Normal", reason: "PodReplaced", action: "Rollout", note });
  }

  async #patch({ namespace }: ObservedProxy, name: string, patch: object): Promise<void> {
    const { client, caches } = this.#options;
    const { quicProxyNodes } = RESOURCES;
    caches.assume(quicProxyNodes, await client.mergePatch(quicProxyNodes, { namespace, name }, patch));
  }
}

function annotated(record: RolloutRecord): object {
  return { metadata: { annotations: recordAnnotation(record) } };
}
