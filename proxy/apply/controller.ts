import { formatAddress } from "../../process/host_port.ts";
import type { Log } from "../../process/log.ts";
import type { NewFlowShares } from "../health/shares.ts";
import type { Traffic } from "../health/state.ts";
import { findNotReady, findUnhealthy } from "../metrics/health.ts";
import { buildReport, type Clock, type CountersReport, type ProxyState } from "../metrics/report.ts";
import { LoadWindow } from "../timing/window.ts";
import type { NativeBackend } from "./addon.ts";
import { countChanges, diffPlans, formatChanges } from "./changes.ts";
import type { DataPlane, OpenDataPlane } from "./data_plane.ts";
import { explainNativeError, formatExplanation, isNativeError } from "./errors.ts";
import { type Fact, startFacts } from "./facts.ts";
import type { Plan } from "./plan.ts";

/** A contract that the native side refused, with place, cause and remedy in its message. */
export class ApplyError extends Error {
  override readonly name = "ApplyError";
}

export interface ControllerDependencies {
  openDataPlane: OpenDataPlane;
  log: Log;
  clock: Clock;
  version: string;
}

const FIRST_GENERATION = 1;
/** A manifest of 10,000 backends can have as many faults; `quicproxy validate` shows all. */
const LOGGED_REASONS_MAX = 20;

function explain(error: unknown, plan: Plan): unknown {
  if (!isNativeError(error)) return error;
  return new ApplyError(formatExplanation(explainNativeError(error, plan)), { cause: error });
}

function initialState(plan: Plan, version: string, nowMs: number): ProxyState {
  return {
    name: plan.name,
    namespace: plan.namespace,
    version,
    mode: plan.mode,
    staleReason: undefined,
    reloads: { applied: 0, rejected: 0, unchanged: 0 },
    stopping: false,
    startedAtMs: nowMs,
    appliedAtMs: nowMs,
  };
}

/** Holds the data plane and the plan in force, and knows what has become of every manifest since the start. */
export class Controller {
  readonly #plane: DataPlane;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #state: ProxyState;
  readonly #loads = new LoadWindow();
  #plan: Plan;
  #generation = FIRST_GENERATION;
  #loggedFacts: ReadonlySet<string> = new Set();
  #networkChanges = 0;

  /** Opens the sockets and starts the workers. Throws ApplyError; nothing stays open then. */
  constructor(plan: Plan, { openDataPlane, log, clock, version }: ControllerDependencies) {
    try {
      this.#plane = openDataPlane(plan.encode(FIRST_GENERATION));
    } catch (error) {
      throw explain(error, plan);
    }
    this.#plan = plan;
    this.#log = log;
    this.#clock = clock;
    this.#state = initialState(plan, version, clock());
    this.#logFacts(plan);
  }

  /** Whether the manifest on disk was rejected and an older one is in force. */
  get isStale(): boolean {
    return this.#state.staleReason !== undefined;
  }

  /**
   * Swaps the contract while traffic flows. Throws ApplyError; the contract in force stays then.
   */
  apply(plan: Plan, shares?: NewFlowShares): void {
    const generation = this.#swap(plan, shares);
    const changes = diffPlans(this.#plan, plan);
    this.#plan = plan;
    this.#state.staleReason = undefined;
    this.#state.reloads.applied++;
    Object.assign(this.#state, { name: plan.name, namespace: plan.namespace, mode: plan.mode });
    this.#log.info(
      { generation, ...countChanges(changes) },
      `manifest applied as generation ${generation}: ${formatChanges(changes)}`,
    );
    this.#logFacts(plan);
  }

  /** The backends of the plan in force share new flows so from now on. Throws ApplyError. */
  share(shares: NewFlowShares): void {
    const generation = this.#swap(this.#plan, shares);
    const [drained, onTrial] = [shares.drained.size, shares.onTrial.size];
    const few = onTrial === 0 ? "" : `, ${onTrial} few`;
    const message = `generation ${generation}: ${drained} of ${this.#plan.backends.length} backends get no new flow${few}`;
    this.#log.info({ generation, drained, onTrial }, message);
  }

  /** What the backends of the present contract were counted for, by `address:port`. */
  readTraffic(): ReadonlyMap<string, Traffic> {
    const active = this.#plane.status().backends.filter((backend) => backend.active);
    const { backends } = this.#plane.readCounters(active);
    return new Map(backends.map((backend) => [formatAddress(backend.address, backend.port), backend]));
  }

  /** Records that the manifest on disk was rejected; what is in force stays. */
  reject(reasons: readonly string[]): void {
    this.#state.staleReason = reasons.slice(0, LOGGED_REASONS_MAX).join("\n");
    this.#state.reloads.rejected++;
    const { generation } = this.#plane.status();
    const some = reasons.slice(0, LOGGED_REASONS_MAX);
    const more = reasons.length > some.length ? `; and ${reasons.length - some.length} more` : "";
    this.#log.error(
      { generation, reasons: some, faults: reasons.length },
      `manifest rejected, generation ${generation} stays in force: ${some.join("; ")}${more}`,
    );
  }

  /** Whether a plan would change nothing. */
  isInForce(plan: Plan): boolean {
    return Buffer.compare(this.#plan.encode(FIRST_GENERATION), plan.encode(FIRST_GENERATION)) === 0;
  }

  /** Records that the manifest was read again and says what it said before. */
  noteUnchanged(): void {
    this.#state.reloads.unchanged++;
    this.#log.info("manifest unchanged");
  }

  report(): CountersReport {
    const status = this.#plane.status();
    return buildReport({
      state: this.#state,
      status,
      snapshot: this.#plane.readCounters(status.backends),
      notReadyReason: findNotReady(this.#state, status),
      networkChanges: this.#plane.networkChanges(),
      nowMs: this.#clock(),
      loads: this.#loads,
    });
  }

  /** Why the process should be restarted, or undefined. */
  findUnhealthy(): string | undefined {
    if (this.#state.stopping) return undefined;
    const status = this.#plane.status();
    return findUnhealthy(this.#state, status, this.#plane.readCounters([]).workers, this.#clock());
  }

  /** Why no new traffic should come here, or undefined. */
  findNotReady(): string | undefined {
    return this.#state.stopping ? "the proxy is stopping" : findNotReady(this.#state, this.#plane.status());
  }

  /** Raw records of sampled datagrams since the last call (native/abi/sample.h). */
  takeSamples(): ArrayBuffer {
    return this.#plane.takeSamples();
  }

  backends(): readonly NativeBackend[] {
    return this.#plane.status().backends;
  }

  /** Says in the log what changed for backends when addresses or routes of this host did. To be called now and then. */
  noteNetwork(): void {
    const changes = this.#plane.networkChanges();
    if (changes === this.#networkChanges || this.#state.stopping) return;
    this.#networkChanges = changes;
    this.#log.info({ networkChanges: changes }, "addresses or routes of this host changed");
    this.#logFacts(this.#plan);
  }

  stop(): void {
    if (this.#state.stopping) return;
    this.#state.stopping = true;
    this.#plane.stop();
  }

  #swap(plan: Plan, shares?: NewFlowShares): number {
    const generation = this.#generation + 1;
    try {
      this.#plane.apply(plan.encode(generation, shares));
    } catch (error) {
      throw explain(error, plan);
    }
    this.#generation = generation;
    this.#state.appliedAtMs = this.#clock();
    return generation;
  }

  /** After a reload only what is new. */
  #logFacts(plan: Plan): void {
    const warnings = plan.warnings.map((message): Fact => ({ level: "warn", message, fields: {} }));
    const facts = [...warnings, ...startFacts(this.#plane.status(), plan)];
    for (const { level, fields, message } of facts) {
      if (!this.#loggedFacts.has(message)) this.#log[level](fields, message);
    }
    this.#loggedFacts = new Set(facts.map(({ message }) => message));
  }
}
