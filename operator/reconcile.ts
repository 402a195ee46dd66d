import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { QuicProxyStatus } from "../crds/status_schema.ts";
import type { ApiClient } from "../kube/client.ts";
import { hasStatus } from "../kube/errors.ts";
import type { Events } from "../kube/events.ts";
import type { KubernetesObject } from "../kube/objects.ts";
import { apiVersionOf, RESOURCES } from "../kube/resources.ts";
import type { Log } from "../process/log.ts";
import { HASH_KEY_BYTES } from "../proxy/contract/contract.ts";
import { type Need, needOf } from "./diff.ts";
import { statusHappenings } from "./happenings.ts";
import { FIELD_MANAGER, NODE_LABELS_FINALIZER, STATUS_FIELD_MANAGER } from "./names.ts";
import { type Decision, decideAll } from "./plan/decide.ts";
import type { DesiredObject, PodOptions } from "./plan/desired.ts";
import { contentDigest } from "./plan/node_objects.ts";
import { type Plan, planProxy } from "./plan/plan.ts";
import { differOnlyInNumbers } from "./status/nodes.ts";
import { planStatus } from "./status/status.ts";
import type { Caches } from "./watch/caches.ts";
import type { ObservedProxy } from "./world.ts";

export interface ReconcilerOptions {
  readonly client: ApiClient;
  readonly caches: Caches;
  readonly events: Events;
  readonly pods: PodOptions;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

interface Written {
  readonly need: Need;
  readonly object: KubernetesObject;
}

/** Numbers alone are written this seldom; whatever else changes is written at once. */
const NUMBERS_EVERY_MS = 10_000;
const FINALIZER_FIELD_MANAGER = "quicproxy-operator-finalizer";

/** Makes the API server hold what plan/ says, for one QuicProxy at a time. Writes nothing that is so already. */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #statusWrittenAtMs = new Map<string, number>();
  #decisions: { version: number; all: Map<string, Decision> } | undefined;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** Returns after how many milliseconds to come again, or undefined. Throws what should be tried again. */
  async reconcile(key: string, log: Log): Promise<number | undefined> {
    const { caches, pods, now } = this.#options;
    const proxy = caches.proxies.find((each) => each.key === key);
    if (proxy === undefined) {
      this.#statusWrittenAtMs.delete(key);
      return undefined;
    }
    const decision = this.#decide().get(key);
    const fresh = { nowMs: now(), hashKey: randomBytes(HASH_KEY_BYTES).toString("hex") };
    const plan = planProxy(caches, proxy, decision, { options: pods, fresh });
    const error = await this.#tryApply(proxy, plan, log);
    const againMs = decision === undefined ? undefined : await this.#writeStatus(proxy, decision, error);
    if (error !== undefined) throw error;
    return againMs;
  }

  #decide(): Map<string, Decision> {
    const { caches } = this.#options;
    if (this.#decisions?.version !== caches.version) {
      this.#decisions = { version: caches.version, all: decideAll(caches) };
    }
    return this.#decisions.all;
  }

  async #tryApply(proxy: ObservedProxy, plan: Plan, log: Log): Promise<Error | undefined> {
    const written: Written[] = [];
    try {
      await this.#apply(proxy, plan, written);
      return undefined;
    } catch (error) {
      return error as Error;
    } finally {
      for (const { need, object } of written) {
        log.info(
          { need, kind: object.kind, object: object.metadata.name },
          `${need}d ${object.kind} ${object.metadata.name}`,
        );
      }
      await this.#tell(proxy, plan, written);
    }
  }

  /** The finalizer before the labels it stands for, and off again only after they are gone. */
  async #apply(proxy: ObservedProxy, plan: Plan, written: Written[]): Promise<void> {
    const { client } = this.#options;
    const hasFinalizer = proxy.finalizers.includes(NODE_LABELS_FINALIZER);
    if (plan.finalizer && !hasFinalizer) await this.#applyFinalizer(proxy, [NODE_LABELS_FINALIZER]);
    for (const desired of plan.desired) await this.#applyObject(desired, written);
    for (const { node, label, wanted } of plan.labels) {
      const patch = { metadata: { labels: { [label]: wanted ? "true" : null } } };
      await client.mergePatch(RESOURCES.nodes, { name: node }, patch);
    }
    for (const name of plan.surplusNodeObjects) {
      await client.delete(RESOURCES.quicProxyNodes, { namespace: proxy.namespace, name });
    }
    if (!plan.finalizer && hasFinalizer) await this.#applyFinalizer(proxy, []);
  }

  async #applyObject(desired: DesiredObject, written: Written[]): Promise<void> {
    const { client, caches } = this.#options;
    const need = needOf(desired, caches);
    if (need === undefined) return;
    const { resource, object } = desired;
    const answer = await client.apply(object, { resource, fieldManager: FIELD_MANAGER }).catch(explainApply);
    caches.assume(resource, answer);
    written.push({ need, object });
    if (resource === RESOURCES.quicProxyNodes) assertKept(object, answer);
  }

  async #applyFinalizer({ namespace, name }: ObservedProxy, finalizers: readonly string[]): Promise<void> {
    const { quicProxies } = RESOURCES;
    const metadata = { namespace, name, finalizers };
    const object = { apiVersion: apiVersionOf(quicProxies), kind: quicProxies.kind, metadata };
    try {
      await this.#options.client.apply(object, { resource: quicProxies, fieldManager: FINALIZER_FIELD_MANAGER });
    } catch (error) {
      if (!hasStatus(error, 404)) throw error;
    }
  }

  async #tell(proxy: ObservedProxy, plan: Plan, written: readonly Written[]): Promise<void> {
    const { events } = this.#options;
    const action = "Apply";
    for (const need of ["create", "update"] as const) {
      const names = written
        .filter((each) => each.need === need)
        .map(({ object }) => `${object.kind} ${object.metadata.name}`);
      const reason = need === "create" ? "Created" : "Updated";
      if (names.length > 0)
        await events.record(proxy, { type: "Normal", reason, action, note: `${need}d ${shorten(names)}` });
    }
    if (plan.surplusNodeObjects.length > 0) {
      const note = `removed ${shorten(plan.surplusNodeObjects)}: these nodes no longer run the proxy`;
      await events.record(proxy, { type: "Normal", reason: "NodesRemoved", action, note });
    }
  }

  async #writeStatus(proxy: ObservedProxy, decision: Decision, error: Error | undefined): Promise<number | undefined> {
    const { client, caches, events, now } = this.#options;
    const nowMs = now();
    const text = new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
    const status = planStatus(caches, proxy, { decision, applyError: error?.message, now: text });
    if (isDeepStrictEqual(status, proxy.status)) return undefined;
    const dueMs = (this.#statusWrittenAtMs.get(proxy.key) ?? 0) + NUMBERS_EVERY_MS - nowMs;
    if (dueMs > 0 && differOnlyInNumbers(status, proxy.status)) return dueMs;
    const { quicProxies } = RESOURCES;
    const { namespace, name } = proxy;
    const object = {
      apiVersion: apiVersionOf(quicProxies),
      kind: quicProxies.kind,
      metadata: { namespace, name },
      status,
    };
    const options = { resource: quicProxies, fieldManager: STATUS_FIELD_MANAGER, subresource: "status" } as const;
    try {
      caches.assume(quicProxies, await client.apply(object as KubernetesObject, options));
    } catch (failure) {
      if (hasStatus(failure, 404)) return undefined;
      throw failure;
    }
    this.#statusWrittenAtMs.set(proxy.key, nowMs);
    for (const happening of statusHappenings(proxy.status, status as QuicProxyStatus))
      await events.record(proxy, happening);
    return undefined;
  }
}

const SHOWN_NAMES_MAX = 6;

function shorten(names: readonly string[]): string {
  const more = names.length > SHOWN_NAMES_MAX ? ` and ${names.length - SHOWN_NAMES_MAX} more` : "";
  return names.slice(0, SHOWN_NAMES_MAX).join(", ") + more;
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
