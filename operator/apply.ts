import type { ApiClient } from "../kube/client.ts";
import { hasStatus } from "../kube/errors.ts";
import { FencedError } from "../kube/fence.ts";
import type { Lanes } from "../kube/lanes.ts";
import type { KubernetesObject } from "../kube/objects.ts";
import { apiVersionOf, RESOURCES, type Resource } from "../kube/resources.ts";
import { Answers } from "./answers.ts";
import { type Need, needOf } from "./diff.ts";
import { answerDigest, intentOf, isKept, observedDigest } from "./kept.ts";
import { FIELD_MANAGER, NODE_LABELS_FINALIZER } from "./names.ts";
import type { DesiredObject } from "./plan/desired.ts";
import { EXCLUDED } from "./plan/nodes.ts";
import type { Plan } from "./plan/plan.ts";
import type { ObservedProxy, World } from "./world.ts";

/** What was done of a plan, as far as it came. */
export interface Applied {
  readonly written: readonly Written[];
  /** Names of QuicProxyNodes that are gone. */
  readonly removed: readonly string[];
  readonly faults: readonly Error[];
  /** What the API server answered otherwise than it was applied, for the first time. */
  readonly altered: readonly KubernetesObject[];
}

interface Doing extends Applied {
  readonly written: Written[];
  readonly removed: string[];
  readonly altered: KubernetesObject[];
}

export interface ApplierOptions {
  readonly client: ApiClient;
  readonly caches: ObservedWorld;
  readonly lanes: Lanes;
  /** A clock that never jumps. */
  readonly steadyMs: () => number;
}

/** What is observed, and takes the answers to own writes at once. */
export interface ObservedWorld extends World {
  assume(resource: Resource, object: KubernetesObject): void;
}

interface Written {
  readonly need: Need;
  readonly object: KubernetesObject;
}

const FINALIZER_FIELD_MANAGER = "quicproxy-operator-finalizer";

/** Makes the API server hold what plan/ says. Writes nothing that is so already. */
export class Applier {
  readonly #client: ApiClient;
  readonly #caches: ObservedWorld;
  readonly #answers: Answers;
  readonly #lanes: Lanes;

  constructor({ client, caches, lanes, steadyMs }: ApplierOptions) {
    this.#client = client;
    this.#lanes = lanes;
    this.#caches = caches;
    this.#answers = new Answers(steadyMs);
  }

  /**
   * One object that the API server refuses keeps no other from being written; but what is to be replaced stays until what
   * replaces it is there. The finalizer comes before the labels it stands for, and goes only after they are gone.
   * @throws FencedError where leadership is lost on the way.
   */
  async apply(proxy: ObservedProxy, plan: Plan): Promise<Applied> {
    const faults: Error[] = [];
    const done: Doing = { written: [], removed: [], altered: [], faults };
    const each = async <T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> => {
      const thrown = await this.#lanes.each(items, act);
      const fenced = thrown.find((error) => error instanceof FencedError);
      if (fenced !== undefined) throw fenced;
      faults.push(...thrown);
    };
    const hasFinalizer = proxy.finalizers.includes(NODE_LABELS_FINALIZER);
    const setFinalizers = (finalizers: readonly string[]): Promise<void> =>
      each([finalizers], (wanted) => this.#applyFinalizer(proxy, wanted));
    if (plan.finalizer && !hasFinalizer) await setFinalizers([NODE_LABELS_FINALIZER]);
    const labels = faults.length === 0 ? plan.labels : [];
    const label = (excluded: boolean): Promise<void> =>
      each(
        labels.filter((change) => change.excluded === excluded),
        (change) => this.#label(change),
      );
    // A DaemonSet that came before them would put pods on nodes that are to have none.
    await label(true);
    for (const stage of plan.stages) await each(stage, (desired) => this.#applyObject(proxy, desired, done));
    await label(false);
    if (faults.length > 0) return done;
    await each(plan.surplus, (surplus) => this.#remove(proxy, surplus, done.removed));
    if (!plan.finalizer && hasFinalizer && faults.length === 0) await setFinalizers([]);
    return done;
  }

  async #label({ node, label, excluded }: Plan["labels"][number]): Promise<void> {
    const patch = { metadata: { labels: { [label]: excluded ? EXCLUDED : null } } };
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

  /** Of a QuicProxy that is gone. */
  forget(proxyKey: string): void {
    this.#answers.forget(proxyKey);
  }

  async #applyObject({ key }: ObservedProxy, desired: DesiredObject, done: Doing): Promise<void> {
    const need = needOf(desired, this.#caches);
    if (need === undefined) return;
    const { resource, object } = desired;
    const what = `${object.kind} ${object.metadata.name}`;
    const intent = intentOf(object);
    const observed = observedDigest(desired, this.#caches);
    if (observed !== undefined && this.#answers.explains(key, what, { intent, observed })) {
      if (resource === RESOURCES.quicProxyNodes) throw new Error(`${what}: ${DROPPED}`);
      return;
    }
    const answer = await this.#client.apply(object, { resource, fieldManager: FIELD_MANAGER }).catch(explainApply);
    this.#caches.assume(resource, answer);
    done.written.push({ need, object });
    if (isKept(desired, answer)) return this.#answers.forget(key, what);
    const isNew = this.#answers.remember(key, what, { intent, observed: answerDigest(desired, answer) });
    if (resource === RESOURCES.quicProxyNodes) throw new Error(`${what}: ${DROPPED}`);
    if (isNew) done.altered.push(object);
  }

  async #applyFinalizer({ namespace, name }: ObservedProxy, finalizers: readonly string[]): Promise<void> {
    const { quicProxies } = RESOURCES;
    const metadata = { namespace, name, finalizers };
    const object = { apiVersion: apiVersionOf(quicProxies), kind: quicProxies.kind, metadata };
    try {
      const answer = await this.#client.apply(object, { resource: quicProxies, fieldManager: FINALIZER_FIELD_MANAGER });
      // Asked again before the watch tells of it, the API server would be told to make one that is gone, and refuse (422).
      this.#caches.assume(quicProxies, answer);
    } catch (error) {
      if (!hasStatus(error, 404)) throw error;
    }
  }
}

const OTHER_CRDS = "the CRDs are of another version than the operator; apply the newer ones";

const DROPPED = `the API server dropped a part of it: ${OTHER_CRDS}`;

/** Server-side apply answers 500 to a field that the CRD does not have. */
function explainApply(error: Error): never {
  if (!error.message.includes("field not declared in schema")) throw error;
  throw new Error(`${OTHER_CRDS} (${error.message})`, { cause: error });
}
