import type { ApiClient } from "../kube/client.ts";
import { hasStatus } from "../kube/errors.ts";
import { Lanes } from "../kube/lanes.ts";
import type { KubernetesObject } from "../kube/objects.ts";
import { apiVersionOf, RESOURCES } from "../kube/resources.ts";
import { type Need, needOf } from "./diff.ts";
import { FIELD_MANAGER, NODE_LABELS_FINALIZER } from "./names.ts";
import type { DesiredObject } from "./plan/desired.ts";
import { contentDigest } from "./plan/node_objects.ts";
import type { Plan } from "./plan/plan.ts";
import type { Caches } from "./watch/caches.ts";
import type { ObservedProxy } from "./world.ts";

/** What was done of a plan, as far as it came. */
export interface Applied {
  readonly written: readonly Written[];
  /** Names of QuicProxyNodes that are gone. */
  readonly removed: readonly string[];
  readonly faults: readonly Error[];
}

interface Written {
  readonly need: Need;
  readonly object: KubernetesObject;
}

/** As many as keep an API server of a few CPUs busy; that of a busy cluster says where it wants fewer (429). */
const WRITES_AT_A_TIME = 16;
const FINALIZER_FIELD_MANAGER = "quicproxy-operator-finalizer";

/** Makes the API server hold what plan/ says. Writes nothing that is so already. */
export class Applier {
  readonly #client: ApiClient;
  readonly #caches: Caches;
  readonly #lanes = new Lanes({ width: WRITES_AT_A_TIME });

  constructor({ client, caches }: { readonly client: ApiClient; readonly caches: Caches }) {
    this.#client = client;
    this.#caches = caches;
  }

  /**
   * One object that the API server refuses keeps no other from being written; but what is to be replaced stays until what
   * replaces it is there. The finalizer comes before the labels it stands for, and goes only after they are gone.
   */
  async apply(proxy: ObservedProxy, plan: Plan): Promise<Applied> {
    const faults: Error[] = [];
    const done: Applied & { written: Written[]; removed: string[] } = { written: [], removed: [], faults };
    const attempt = async (act: () => Promise<unknown>): Promise<void> => {
      await act().catch((error: Error) => faults.push(error));
    };
    const each = async <T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> => {
      faults.push(...(await this.#lanes.each(items, act)));
    };
    const hasFinalizer = proxy.finalizers.includes(NODE_LABELS_FINALIZER);
    if (plan.finalizer && !hasFinalizer) await attempt(() => this.#applyFinalizer(proxy, [NODE_LABELS_FINALIZER]));
    const isHeld = faults.length === 0;
    for (const stage of plan.stages) await each(stage, (desired) => this.#applyObject(desired, done.written));
    if (isHeld) await each(plan.labels, (change) => this.#label(change));
    if (faults.length > 0) return done;
    await each(plan.surplus, (surplus) => this.#remove(proxy, surplus, done.removed));
    if (!plan.finalizer && hasFinalizer && faults.length === 0) await attempt(() => this.#applyFinalizer(proxy, []));
    return done;
  }

  async #label({ node, label, wanted }: Plan["labels"][number]): Promise<void> {
    const patch = { metadata: { labels: { [label]: wanted ? "true" : null } } };
    await this.#client.mergePatch(RESOURCES.nodes, { name: node }, patch);
  }

  async #remove(
    { namespace }: ObservedProxy,
    { resource, name }: Plan["surplus"][number],
    removed: string[],
  ): Promise<void> {
    await this.#client.delete(resource, { namespace, name });
    if (resource === RESOURCES.quicProxyNodes) removed.push(name);
  }

  async #applyObject(desired: DesiredObject, written: Written[]): Promise<void> {
    const need = needOf(desired, this.#caches);
    if (need === undefined) return;
    const { resource, object } = desired;
    const answer = await this.#client.apply(object, { resource, fieldManager: FIELD_MANAGER }).catch(explainApply);
    this.#caches.assume(resource, answer);
    written.push({ need, object });
    if (resource === RESOURCES.quicProxyNodes) assertKept(object, answer);
  }

  async #applyFinalizer({ namespace, name }: ObservedProxy, finalizers: readonly string[]): Promise<void> {
    const { quicProxies } = RESOURCES;
    const metadata = { namespace, name, finalizers };
    const object = { apiVersion: apiVersionOf(quicProxies), kind: quicProxies.kind, metadata };
    try {
      await this.#client.apply(object, { resource: quicProxies, fieldManager: FINALIZER_FIELD_MANAGER });
    } catch (error) {
      if (!hasStatus(error, 404)) throw error;
    }
  }
}

const OTHER_CRDS = "the CRDs are of another version than the operator; apply the newer ones";

/** Server-side apply answers 500 to a field that the CRD does not have. */
function explainApply(error: Error): never {
  if (!error.message.includes("field not declared in schema")) throw error;
  throw new Error(`${OTHER_CRDS} (${error.message})`, { cause: error });
}

/** Where the API server took something away, to apply it again would change nothing, for ever. */
function assertKept(desired: KubernetesObject, answer: KubernetesObject): void {
  const digest = (object: KubernetesObject): string =>
    contentDigest((object as unknown as { spec: Parameters<typeof contentDigest>[0] }).spec);
  if (digest(desired) === digest(answer)) return;
  throw new Error(`${desired.kind} ${desired.metadata.name}: the API server dropped a part of it: ${OTHER_CRDS}`);
}
