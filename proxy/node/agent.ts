import { isDeepStrictEqual } from "node:util";
import type { BackendSet } from "../../crds/backends_schema.ts";
import type { QuicProxyNodeSpec } from "../../crds/node_schema.ts";
import type { Log } from "../../process/log.ts";
import type { Plan } from "../apply/plan.ts";
import type { CountersReport } from "../metrics/report.ts";
import type { RunningProxy } from "../run.ts";
import type { LastGood } from "../source/last_good.ts";
import { CopyKeeper } from "./copy_keeper.ts";
import { HOLD_MS, massRemoval } from "./hold.ts";
import { type CheckedNodeSpec, checkNodeSpec, type NodeParts, type NodePlanResult } from "./plan_node.ts";
import { type AgentState, KeysMissing, type Problem, problemOf } from "./status.ts";

export interface AgentDependencies {
  /** Starts forwarding. Throws with everything closed again. */
  start(plan: Plan): Promise<RunningProxy>;
  plan(parts: NodeParts): Promise<NodePlanResult>;
  /** Undefined: no copy is kept. */
  readonly lastGood: LastGood | undefined;
  readonly log: Log;
  /** Milliseconds since any fixed point. */
  readonly clock: () => number;
  /** Calls back later; returns how to cancel. */
  readonly schedule: (act: () => void, ms: number) => () => void;
  /** Told when the state has changed in more than numbers. */
  onState(): void;
}

type Source = NonNullable<AgentState["source"]>;

interface InForce extends NodeParts {
  readonly plan: Plan;
  readonly leftOut: readonly string[];
}

/** Why what was offered is not in force. */
interface Problems {
  readonly settings?: Problem | undefined;
  readonly backends?: Problem | undefined;
}

/** What was offered, or what is in force where that cannot be. */
interface Acceptable<T> {
  readonly use: T | undefined;
  readonly problem: Problem | undefined;
}

const RETRY_BASE_MS = 1000;
const RETRY_MAX_MS = 30_000;
const DRAINED = "the proxy is drained, because it is to be replaced; it forwards as before";
const WAITING: Problem = { reason: "Pending", message: "waits for its backends" };

/**
 * Runs what a QuicProxyNode and the QuicProxyBackends say. It never stops what is in force because of what it is told:
 * faults, an older generation, a refusal of the native side and most backends gone at once leave everything as it is, and
 * are reported. Settings that cannot be had now do not keep the backends from being followed, nor the other way round.
 */
export class NodeAgent {
  readonly #dependencies: AgentDependencies;
  readonly #copy: CopyKeeper;
  #queue: Promise<void> = Promise.resolve();
  #offered: { settings?: CheckedNodeSpec; set?: BackendSet; source: Source } = { source: "LastGood" };
  #proxy: RunningProxy | undefined;
  #inForce: InForce | undefined;
  #source: Source | undefined;
  #problems: Problems = {};
  #heldSinceMs: number | undefined;
  #attempts = 0;
  #cancelRetry: () => void = () => {};
  #drained = false;
  #stopped = false;

  constructor(dependencies: AgentDependencies) {
    this.#dependencies = dependencies;
    this.#copy = new CopyKeeper(dependencies.lastGood, dependencies.log);
  }

  get state(): AgentState {
    return {
      appliedGeneration: this.#inForce?.spec.generation ?? 0,
      appliedBackends: this.#inForce?.set.generation ?? 0,
      leftOut: this.#inForce?.leftOut ?? [],
      source: this.#source,
      problem: this.#problems.settings ?? this.#problems.backends,
      drained: this.#drained,
    };
  }

  report(): CountersReport | undefined {
    return this.#stopped ? undefined : this.#proxy?.report();
  }

  /** One that waits for something to run is as well as it can be: a restart brings nothing. */
  findUnhealthy(): string | undefined {
    return this.#proxy?.findUnhealthy();
  }

  findNotReady(): string | undefined {
    if (this.#stopped) return "the proxy is stopping";
    const drained = this.findDrained();
    if (drained !== undefined) return drained;
    if (this.#proxy !== undefined) return this.#proxy.findNotReady();
    return `nothing runs yet: ${this.state.problem?.message ?? "waits for its settings and backends"}`;
  }

  /** Why no new traffic should come here although everything is well; undefined: it may. Forwarding is not concerned. */
  findDrained(): string | undefined {
    return this.#drained ? DRAINED : undefined;
  }

  /** Takes the spec of a QuicProxyNode, not checked. Never throws. */
  offerSettings(raw: unknown, source: Source): Promise<void> {
    return this.#enqueue(() => {
      const settings = checkNodeSpec(raw);
      this.#offered = { ...this.#offered, settings, source };
      this.#drain(source === "ApiServer" && "spec" in settings && settings.spec.drain === true);
      return this.#advance();
    });
  }

  /** Takes a whole set of backends. Never throws. */
  offerBackends(set: BackendSet): Promise<void> {
    return this.#enqueue(() => {
      this.#offered.set = set;
      return this.#advance();
    });
  }

  /** Starts from the copy on this node, if there is one. */
  async startFromLastGood(): Promise<void> {
    const copy = await this.#copy.read();
    if (copy === undefined) return;
    this.#offered.set = copy.backends;
    await this.offerSettings(copy.spec, "LastGood");
  }

  /**
   * Applies what is in force anew where the keys that it names have changed: the kubelet replaces them in place. Writes the
   * last-good copy where that failed before: a disk that was full may have room again.
   */
  refresh(): Promise<void> {
    return this.#enqueue(async () => {
      await this.#copy.again();
      if (this.#inForce === undefined || this.#inForce.plan.quicLbKeys.size === 0) return;
      const { spec, set, plan: present } = this.#inForce;
      const result = await this.#dependencies.plan({ spec, set });
      if (!("plan" in result) || isDeepStrictEqual(result.plan.quicLbKeys, present.quicLbKeys)) return;
      if ((await this.#apply(result.plan)) === undefined) this.#inForce = { spec, set, ...result };
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRetry();
    await this.#queue;
    await this.#proxy?.stop();
  }

  #enqueue(act: () => Promise<void>): Promise<void> {
    this.#queue = this.#queue.then(async () => {
      if (this.#stopped) return;
      try {
        await act();
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        this.#report({ settings: { reason: "Failed", message } });
      }
      this.#dependencies.onState();
    });
    return this.#queue;
  }

  /** Comes as close to what was offered as it can. */
  async #advance(): Promise<void> {
    this.#cancelRetry();
    const [settings, backends] = [this.#acceptableSettings(), this.#acceptableBackends()];
    const waiting = settings.use !== undefined && backends.use === undefined ? WAITING : undefined;
    this.#report({
      settings: settings.problem,
      backends: backends.problem ?? waiting,
      ...(settings.use === undefined || backends.use === undefined
        ? {}
        : await this.#reach(settings.use, backends.use)),
    });
  }

  /** What kept it from running these; else nothing. */
  async #reach(spec: QuicProxyNodeSpec, set: BackendSet): Promise<Problems> {
    const { source } = this.#offered;
    const settingsHold = spec.generation === this.#inForce?.spec.generation;
    const backendsHold = set.generation === this.#inForce?.set.generation;
    if (settingsHold && source === "ApiServer") this.#source = source;
    if (settingsHold && backendsHold) return {};
    const error = await this.#bring({ spec, set });
    if (error === undefined) {
      this.#attempts = 0;
      return {};
    }
    this.#retry(Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** this.#attempts++));
    if (settingsHold) return { backends: problemOf(error) };
    if (this.#inForce !== undefined && !backendsHold) await this.#bring({ spec: this.#inForce.spec, set });
    return { settings: { ...problemOf(error), generation: spec.generation } };
  }

  #acceptableSettings(): Acceptable<QuicProxyNodeSpec> {
    const present = this.#inForce?.spec;
    const { settings } = this.#offered;
    if (settings === undefined) return { use: present, problem: undefined };
    if ("faults" in settings) {
      return { use: present, problem: { reason: "InvalidSpec", message: settings.faults.join("; ") } };
    }
    const older = olderGeneration("", settings.spec.generation, present?.generation);
    return { use: older === undefined ? settings.spec : present, problem: older };
  }

  #acceptableBackends(): Acceptable<BackendSet> {
    const present = this.#inForce?.set;
    const { set } = this.#offered;
    if (set === undefined || present === undefined) return { use: set ?? present, problem: undefined };
    const older = olderGeneration(" of the backends", set.generation, present.generation);
    const problem = older ?? this.#hold(present, set);
    return { use: problem === undefined ? set : present, problem };
  }

  #hold(present: BackendSet, next: BackendSet): Problem | undefined {
    const message = next.generation === present.generation ? undefined : massRemoval(present, next);
    const nowMs = this.#dependencies.clock();
    this.#heldSinceMs = message === undefined ? undefined : (this.#heldSinceMs ?? nowMs);
    if (message === undefined || this.#heldSinceMs === undefined) return undefined;
    const leftMs = this.#heldSinceMs + HOLD_MS - nowMs;
    if (leftMs <= 0) return undefined;
    this.#retry(leftMs);
    return { reason: "RemovalHeld", message };
  }

  /** Of a copy it is no matter: the pod that was to go is gone, or whoever wanted it to will say so again. */
  #drain(drained: boolean): void {
    if (drained !== this.#drained) {
      const text = drained ? `not ready from now on: ${DRAINED}` : "no longer drained";
      this.#dependencies.log.info({ drained }, text);
    }
    this.#drained = drained;
  }

  async #bring(parts: NodeParts): Promise<Error | undefined> {
    const result = await this.#dependencies.plan(parts);
    if (!("plan" in result)) return new KeysMissing(result.faults.join("; "));
    const error = await this.#apply(result.plan);
    if (error === undefined) await this.#keep({ ...parts, ...result });
    return error;
  }

  async #apply(plan: Plan): Promise<Error | undefined> {
    if (this.#proxy !== undefined) return this.#proxy.apply(plan);
    try {
      this.#proxy = await this.#dependencies.start(plan);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  async #keep(inForce: InForce): Promise<void> {
    const { log } = this.#dependencies;
    const { spec, set, leftOut } = inForce;
    const { source } = this.#offered;
    const isNew = spec.generation !== this.#inForce?.spec.generation;
    if (leftOut.length > 0 && !isDeepStrictEqual(leftOut, this.#inForce?.leftOut)) {
      log.warn({ leftOut }, `left out: ${leftOut.join("; ")}`);
    }
    if (set.generation !== this.#inForce?.set.generation) this.#heldSinceMs = undefined;
    this.#inForce = inForce;
    if (isNew) this.#source = source;
    const generations = { generation: spec.generation, backends: set.generation };
    log.info({ ...generations, source }, isNew ? "the node object is in force" : "a new set of backends is in force");
    if (source !== "LastGood") await this.#copy.write({ spec, backends: set });
  }

  #report(problems: Problems): void {
    for (const about of ["settings", "backends"] as const) {
      const problem = problems[about];
      if (problem === undefined || problem.message === this.#problems[about]?.message) continue;
      const { reason, message } = problem;
      this.#dependencies.log.error({ reason }, `what is in force stays: ${message}`);
    }
    this.#problems = problems;
  }

  #retry(ms: number): void {
    this.#cancelRetry();
    this.#cancelRetry = this.#dependencies.schedule(() => void this.#enqueue(() => this.#advance()), ms);
  }
}

function olderGeneration(of: string, offered: number, present = 0): Problem | undefined {
  if (offered >= present) return undefined;
  const message =
    `an older generation${of} is refused, a newer one is in force already: somebody restored an object, and the operator ` +
    "writes a newer one";
  return { reason: "OldGeneration", message };
}
