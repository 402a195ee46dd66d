import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { QuicProxyStatus } from "../crds/status_schema.ts";
import type { ApiClient } from "../kube/client.ts";
import { hasStatus } from "../kube/errors.ts";
import type { Events } from "../kube/events.ts";
import type { KubernetesObject } from "../kube/objects.ts";
import { apiVersionOf, RESOURCES } from "../kube/resources.ts";
import { inTurns, nextTurn } from "../kube/turns.ts";
import type { Log } from "../process/log.ts";
import { HASH_KEY_BYTES } from "../proxy/contract/contract.ts";
import { type Applied, Applier } from "./apply.ts";
import { statusHappenings } from "./happenings.ts";
import { STATUS_FIELD_MANAGER } from "./names.ts";
import { type Decision, type Decisions, decideAll } from "./plan/decide.ts";
import type { PodOptions } from "./plan/desired.ts";
import { type Plan, planProxy } from "./plan/plan.ts";
import { differenceOf } from "./status/difference.ts";
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

/** How often it is looked whether the ports of another QuicProxy are free: nobody tells of it. */
const CONFLICT_EVERY_MS = 10_000;
/** What differs is written this seldom; what is not named here is written at once. */
const WRITTEN_EVERY_MS = { numbers: 10_000, progress: 1000, state: 0 } as const;

/** Makes the API server hold what plan/ says, for one QuicProxy at a time. Writes nothing that is so already. */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #applier: Applier;
  readonly #statusWrittenAtMs = new Map<string, number>();
  #decisions: (Decisions & { readonly version: number }) | undefined;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#applier = new Applier(options);
  }

  /** Returns after how many milliseconds to come again, or undefined. Throws what should be tried again. */
  async reconcile(key: string, log: Log): Promise<number | undefined> {
    const { caches, pods, now } = this.#options;
    const proxy = caches.proxies.find((each) => each.key === key);
    if (proxy === undefined) {
      this.#statusWrittenAtMs.delete(key);
      return undefined;
    }
    const decision = this.#decide(now()).get(key);
    const fresh = { nowMs: now(), hashKey: randomBytes(HASH_KEY_BYTES).toString("hex") };
    const plan = await inTurns(planProxy(caches, proxy, decision, { options: pods, fresh }));
    const error = await this.#applyAndTell(proxy, plan, log);
    const againMs = decision === undefined ? undefined : await this.#writeStatus(proxy, decision, error);
    if (error !== undefined) throw error;
    return isInAnothersWay(decision) ? Math.min(againMs ?? CONFLICT_EVERY_MS, CONFLICT_EVERY_MS) : againMs;
  }

  #decide(nowMs: number): Decisions["all"] {
    const { version } = this.#options.caches;
    const { changeAtMs = Number.POSITIVE_INFINITY } = this.#decisions ?? {};
    if (this.#decisions?.version !== version || nowMs >= changeAtMs) {
      this.#decisions = { version, ...decideAll(this.#options.caches, nowMs) };
    }
    return this.#decisions.all;
  }

  async #applyAndTell(proxy: ObservedProxy, plan: Plan, log: Log): Promise<Error | undefined> {
    const applied = await this.#applier.apply(proxy, plan);
    for (const { need, object } of applied.written) {
      const { kind, metadata } = object;
      log.info({ need, kind, object: metadata.name }, `${need}d ${kind} ${metadata.name}`);
    }
    await this.#tell(proxy, applied);
    const [first, ...others] = applied.faults;
    return others.length === 0 ? first : new Error(`${first?.message}; and ${others.length} more`, { cause: first });
  }

  async #tell(proxy: ObservedProxy, { written, removed }: Applied): Promise<void> {
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
    if (removed.length > 0) {
      const note = `removed ${shorten(removed)}: these nodes no longer run the proxy`;
      await events.record(proxy, { type: "Normal", reason: "NodesRemoved", action, note });
    }
  }

  async #writeStatus(proxy: ObservedProxy, decision: Decision, error: Error | undefined): Promise<number | undefined> {
    const { client, caches, events, now } = this.#options;
    const nowMs = now();
    const text = new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
    await nextTurn();
    const status = planStatus(caches, proxy, { decision, applyError: error?.message, now: text });
    if (isDeepStrictEqual(status, proxy.status)) return undefined;
    const everyMs = WRITTEN_EVERY_MS[differenceOf(status, proxy.status)];
    const dueMs = (this.#statusWrittenAtMs.get(proxy.key) ?? 0) + everyMs - nowMs;
    if (dueMs > 0) return dueMs;
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

function isInAnothersWay(decision: Decision | undefined): boolean {
  return decision?.refusal?.reason === "PortConflict" || decision?.inForce?.takenNodes !== undefined;
}

const SHOWN_NAMES_MAX = 6;

function shorten(names: readonly string[]): string {
  const more = names.length > SHOWN_NAMES_MAX ? ` and ${names.length - SHOWN_NAMES_MAX} more` : "";
  return names.slice(0, SHOWN_NAMES_MAX).join(", ") + more;
}
