import { isDeepStrictEqual } from "node:util";
import type { QuicProxyNodeSpec } from "../../crds/node_schema.ts";
import type { Log } from "../../process/log.ts";
import { isNativeError } from "../apply/errors.ts";
import type { Plan, PlanResult } from "../apply/plan.ts";
import type { CountersReport } from "../metrics/report.ts";
import type { RunningProxy } from "../run.ts";
import type { LastGood } from "../source/last_good.ts";
import { HOLD_MS, massRemoval } from "./hold.ts";
import { type CheckedNodeSpec, checkNodeSpec } from "./plan_node.ts";
import type { AgentState, Problem } from "./status.ts";

export interface AgentDependencies {
  /** Starts forwarding. Throws with everything closed again. */
  start(plan: Plan): Promise<RunningProxy>;
  plan(spec: QuicProxyNodeSpec): Promise<PlanResult>;
  readonly check?: (raw: unknown) => CheckedNodeSpec;
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

const RETRY_BASE_MS = 1000;
const RETRY_MAX_MS = 30_000;

/**
 * Runs what a QuicProxyNode says. It never stops what is in force because of what it is told: faults, an older
 * generation, a refusal of the native side and most backends gone at once leave everything as it is, and are reported.
 */
export class NodeAgent {
  readonly #dependencies: AgentDependencies;
  #queue: Promise<void> = Promise.resolve();
  #proxy: RunningProxy | undefined;
  #inForce: { spec: QuicProxyNodeSpec; plan: Plan } | undefined;
  #source: Source | undefined;
  #problem: Problem | undefined;
  /** In force, but not written to the node: why. */
  #unkept: { spec: QuicProxyNodeSpec; why: string } | undefined;
  #heldSinceMs: number | undefined;
  #attempts = 0;
  #cancelRetry: () => void = () => {};
  #stopped = false;

  constructor(dependencies: AgentDependencies) {
    this.#dependencies = dependencies;
  }

  get state(): AgentState {
    const appliedGeneration = this.#inForce?.spec.generation ?? 0;
    return { appliedGeneration, source: this.#source, problem: this.#problem };
  }

  report(): CountersReport | undefined {
    return this.#stopped ? undefined : this.#proxy?.report();
  }

  /** Takes a spec; specs are worked on one after the other. Never throws. */
  offer(raw: unknown, source: Source): Promise<void> {
    this.#queue = this.#queue.then(async () => {
      if (this.#stopped) return;
      this.#cancelRetry();
      try {
        await this.#take(raw, source);
      } catch (error) {
        this.#fail("Failed", error instanceof Error ? error.message : String(error));
      }
      this.#dependencies.onState();
    });
    return this.#queue;
  }

  /** Starts from the copy on this node, if there is one. */
  async startFromLastGood(): Promise<void> {
    const { lastGood, log } = this.#dependencies;
    try {
      const spec = await lastGood?.read();
      if (spec === undefined) return;
      log.info({ file: lastGood?.file }, `starting from the last-good copy ${lastGood?.file}`);
      await this.offer(spec, "LastGood");
    } catch (error) {
      log.warn({ err: error }, `the last-good copy is not used: ${(error as Error).message}`);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRetry();
    await this.#queue;
    await this.#proxy?.stop();
  }

  async #take(raw: unknown, source: Source): Promise<void> {
    const checked = (this.#dependencies.check ?? checkNodeSpec)(raw);
    if ("faults" in checked) return this.#fail("InvalidSpec", checked.faults.join("; "));
    const { spec } = checked;
    const present = this.#inForce?.spec.generation ?? 0;
    if (spec.generation < present) {
      return this.#fail("OldGeneration", `generation ${spec.generation} is refused: ${present} is in force already`);
    }
    if (spec.generation === present) return this.#confirm(source);
    const held = this.#hold(spec);
    if (held !== undefined) {
      this.#retry(raw, source, HOLD_MS);
      return this.#fail("RemovalHeld", held);
    }
    const result = await this.#dependencies.plan(spec);
    const error = "plan" in result ? await this.#apply(result.plan) : new KeysMissing(result.faults.join("; "));
    if (error === undefined && "plan" in result) return this.#keep(spec, result.plan, source);
    this.#retry(raw, source, Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** this.#attempts++));
    if (error !== undefined) this.#fail(reasonOf(error), error.message);
  }

  /**
   * Applies what is in force anew where the keys that it names have changed: the kubelet replaces them in place. Writes the
   * last-good copy where that failed before: a disk that was full may have room again.
   */
  refresh(): Promise<void> {
    this.#queue = this.#queue.then(async () => {
      if (this.#stopped) return;
      if (this.#unkept !== undefined) await this.#writeCopy(this.#unkept.spec);
      if (this.#inForce === undefined || this.#inForce.plan.quicLbKeys.size === 0) return;
      const { spec, plan: present } = this.#inForce;
      const result = await this.#dependencies.plan(spec);
      if (!("plan" in result) || isDeepStrictEqual(result.plan.quicLbKeys, present.quicLbKeys)) return;
      if ((await this.#apply(result.plan)) === undefined) this.#inForce = { spec, plan: result.plan };
    });
    return this.#queue;
  }

  /** What was started from the copy on the node is also what the API server has. */
  #confirm(source: Source): void {
    if (source === "ApiServer") this.#source = source;
    this.#settle();
  }

  #settle(): void {
    this.#problem = undefined;
    this.#heldSinceMs = undefined;
    this.#attempts = 0;
  }

  #hold(spec: QuicProxyNodeSpec): string | undefined {
    const reason = this.#inForce && massRemoval(this.#inForce.plan.backends, spec);
    if (reason === undefined) {
      this.#heldSinceMs = undefined;
      return undefined;
    }
    const nowMs = this.#dependencies.clock();
    this.#heldSinceMs ??= nowMs;
    return nowMs - this.#heldSinceMs < HOLD_MS ? reason : undefined;
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

  async #keep(spec: QuicProxyNodeSpec, plan: Plan, source: Source): Promise<void> {
    const { log } = this.#dependencies;
    this.#inForce = { spec, plan };
    this.#source = source;
    this.#settle();
    log.info({ generation: spec.generation, source }, `generation ${spec.generation} of the node object is in force`);
    if (source !== "LastGood") await this.#writeCopy(spec);
  }

  async #writeCopy(spec: QuicProxyNodeSpec): Promise<void> {
    const { lastGood, log } = this.#dependencies;
    const before = this.#unkept?.why;
    try {
      await lastGood?.write(spec);
      this.#unkept = undefined;
      if (before !== undefined) log.info({ generation: spec.generation }, "a last-good copy is kept again");
    } catch (error) {
      const why = (error as Error).message;
      this.#unkept = { spec, why };
      if (why !== before) log.warn({ err: error }, `no last-good copy is kept: ${why}`);
    }
  }

  #fail(reason: string, message: string): void {
    const isNew = this.#problem?.message !== message;
    this.#problem = { reason, message };
    if (isNew) this.#dependencies.log.error({ reason }, `what is in force stays: ${message}`);
  }

  #retry(raw: unknown, source: Source, ms: number): void {
    this.#cancelRetry = this.#dependencies.schedule(() => void this.offer(raw, source), ms);
  }
}

/** A Secret that is missing may come, so this is tried again. */
class KeysMissing extends Error {
  override readonly name = "KeysMissing";
}

/** LISTEN_PORT_BUSY -> ListenPortBusy. */
function reasonOf(error: Error): string {
  if (error instanceof KeysMissing) return error.name;
  const native = isNativeError(error) ? error : isNativeError(error.cause) ? error.cause : undefined;
  if (native === undefined) return "ApplyFailed";
  return native.code
    .split("_")
    .map((word) => word[0] + word.slice(1).toLowerCase())
    .join("");
}
