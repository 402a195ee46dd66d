import { isDeepStrictEqual } from "node:util";
import type { QuicProxyStatus } from "../crds/status_schema.ts";
import type { ApiClient } from "../kube/client.ts";
import type { Events } from "../kube/events.ts";
import { Lanes } from "../kube/lanes.ts";
import { secondsTime } from "../kube/micro_time.ts";
import { RESOURCES } from "../kube/resources.ts";
import { inTurns, nextTurn } from "../kube/turns.ts";
import type { Log } from "../process/log.ts";
import { Applier, type ObservedWorld } from "./apply.ts";
import { statusHappenings } from "./happenings.ts";
import { HashKeys } from "./hash_keys.ts";
import { Patience } from "./patience.ts";
import { type Decision, type Decisions, decideAll } from "./plan/decide.ts";
import type { PodOptions } from "./plan/desired.ts";
import { planProxy } from "./plan/plan.ts";
import { type Rolled, Roller } from "./rollout/roller.ts";
import { Silences } from "./silences.ts";
import { differenceOf } from "./status/difference.ts";
import { planStatus } from "./status/status.ts";
import { logApplied, tellApplied } from "./told.ts";
import type { Caches } from "./watch/caches.ts";
import type { ObservedProxy } from "./world.ts";
import { writeStatus } from "./write_status.ts";

export interface ReconcilerOptions {
  readonly client: ApiClient;
  readonly caches: ObservedWorld & Pick<Caches, "version">;
  readonly events: Events;
  readonly pods: PodOptions;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** A clock that never jumps. */
  readonly steadyMs: () => number;
}

/** As many as keep an API server of a few CPUs busy; that of a busy cluster says where it wants fewer (429). */
const WRITES_AT_A_TIME = 16;
/** How often it is looked whether the ports of another QuicProxy are free: nobody tells of it. */
const CONFLICT_EVERY_MS = 10_000;
/** What differs is written this seldom; what is not named here is written at once. */
const WRITTEN_EVERY_MS = { numbers: 10_000, progress: 1000, state: 0 } as const;

/** Makes the API server hold what plan/ says, for one QuicProxy at a time. Writes nothing that is so already. */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #applier: Applier;
  readonly #hashKeys: HashKeys;
  readonly #silences: Silences;
  readonly #patience: Patience;
  readonly #roller: Roller;
  readonly #statusWrittenAtMs = new Map<string, number>();
  #decisions: (Decisions & { readonly version: number }) | undefined;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    const lanes = new Lanes({ width: WRITES_AT_A_TIME });
    this.#applier = new Applier({ ...options, lanes });
    this.#hashKeys = new HashKeys(options);
    this.#silences = new Silences({ ...options, lanes });
    this.#patience = new Patience(options);
    this.#roller = new Roller({ ...options, lanes });
  }

  get rollouts(): Pick<Roller, "progress" | "replaced"> {
    return this.#roller;
  }

  /** Returns after how many milliseconds to come again, or undefined. Throws what should be tried again. */
  async reconcile(key: string, log: Log): Promise<number | undefined> {
    const { caches, now } = this.#options;
    const proxy = caches.proxies.find((each) => each.key === key);
    if (proxy === undefined) {
      this.#statusWrittenAtMs.delete(key);
      this.#applier.forget(key);
      this.#patience.forget(key);
      this.#roller.forget(key);
      return undefined;
    }
    const decision = this.#decide(now()).get(key);
    const error = await this.#apply(proxy, decision, log).then(
      () => undefined,
      (thrown: Error) => thrown,
    );
    if (decision === undefined) {
      if (error !== undefined) throw error;
      return undefined;
    }
    const rolled = await this.#roll(proxy, decision, log);
    const silence = await this.#silences.say(proxy, log).then(
      (againMs) => ({ againMs, fault: undefined }),
      (fault: Error) => ({ againMs: undefined, fault }),
    );
    const fault = error ?? rolled.fault;
    const writtenMs = await this.#writeStatus(proxy, decision, { fault, progress: rolled.progress });
    const failed = fault ?? silence.fault;
    if (failed !== undefined) throw failed;
    const conflictMs = isInAnothersWay(decision) ? CONFLICT_EVERY_MS : undefined;
    return earliest([writtenMs, rolled.againMs, silence.againMs, conflictMs]);
  }

  /** Pods follow what is written, also where a part of it was refused. */
  async #roll(proxy: ObservedProxy, { inForce }: Decision, log: Log): Promise<Partial<Rolled>> {
    if (inForce === undefined) {
      this.#roller.forget(proxy.key);
      return {};
    }
    await nextTurn();
    return this.#roller.roll(proxy, inForce, log);
  }

  #decide(nowMs: number): Decisions["all"] {
    const { version } = this.#options.caches;
    const { changeAtMs = Number.POSITIVE_INFINITY } = this.#decisions ?? {};
    if (this.#decisions?.version !== version || nowMs >= changeAtMs) {
      this.#decisions = { version, ...decideAll(this.#options.caches, nowMs) };
    }
    return this.#decisions.all;
  }

  /** Throws what was not done, once everything else is. */
  async #apply(proxy: ObservedProxy, decision: Decision | undefined, log: Log): Promise<void> {
    const { caches, pods, now } = this.#options;
    const hashKey = needsKey(proxy, decision) ? await this.#hashKeys.of(proxy) : "";
    const fresh = { nowMs: now(), hashKey };
    const plan = await inTurns(planProxy(caches, proxy, decision, { options: pods, fresh }));
    const applied = await this.#applier.apply(proxy, plan);
    logApplied(log, applied);
    await tellApplied(this.#options.events, proxy, applied);
    const [first, ...others] = applied.faults;
    if (first === undefined) return;
    throw others.length === 0 ? first : new Error(`${first.message}; and ${others.length} more`, { cause: first });
  }

  async #writeStatus(
    proxy: ObservedProxy,
    decision: Decision,
    { fault, progress }: { readonly fault: Error | undefined; readonly progress: Rolled["progress"] },
  ): Promise<number | undefined> {
    const { caches, now, steadyMs } = this.#options;
    const { capabilities } = this.#options.pods;
    const text = secondsTime(now());
    await nextTurn();
    const inputs = { decision, applyError: fault?.message, rollout: progress, capabilities, now: text };
    const status = planStatus(caches, proxy, inputs);
    if (isDeepStrictEqual(status, proxy.status)) return this.#tell(proxy, status);
    const everyMs = WRITTEN_EVERY_MS[differenceOf(status, proxy.status)];
    const dueMs = (this.#statusWrittenAtMs.get(proxy.key) ?? Number.NEGATIVE_INFINITY) + everyMs - steadyMs();
    if (dueMs > 0) return dueMs;
    if (!(await writeStatus(this.#options, RESOURCES.quicProxies, proxy, status))) return undefined;
    this.#statusWrittenAtMs.set(proxy.key, steadyMs());
    return this.#tell(proxy, status);
  }

  /** Records what a status says that the one before it did not. Returns after how long more may be to tell. */
  async #tell(proxy: ObservedProxy, status: QuicProxyStatus): Promise<number | undefined> {
    const told = this.#patience.sift(proxy, statusHappenings(proxy.status, status), status);
    for (const happening of told.happenings) await this.#options.events.record(proxy, happening);
    return told.againMs;
  }
}

function earliest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((ms) => ms !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

function needsKey({ deleting }: ObservedProxy, decision: Decision | undefined): boolean {
  return !deleting && decision?.inForce !== undefined;
}

function isInAnothersWay(decision: Decision | undefined): boolean {
  return decision?.refusal?.reason === "PortConflict" || decision?.inForce?.takenNodes !== undefined;
}
