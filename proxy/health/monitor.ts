import { formatAddress } from "../../process/host_port.ts";
import { counterDelta } from "../counters/rates.ts";
import { describeConfig, type HealthConfig } from "./config.ts";
import { decidePool, EMPTY_POOL, type Pool, sharesOf, withBackends } from "./pool.ts";
import { Prober, type ProberDependencies, PUMP_MS } from "./prober.ts";
import { describeChange, type HealthLine, type HealthReport, reportHealth } from "./report.ts";
import { areSameShares, type NewFlowShares, WHOLE_SHARES } from "./shares.ts";
import { type Observation, TRAFFIC_CELLS, type Traffic } from "./state.ts";

/** The part of a plan that matters here. */
export interface HealthPlan {
  readonly health?: HealthConfig | undefined;
  readonly backends: readonly { readonly address: string; readonly port: number; readonly weight: number }[];
}

/** What the checks read and change. */
export interface Forwarding {
  /** What each backend was counted for since the start, by `address:port`. */
  readTraffic(): ReadonlyMap<string, Traffic>;
  /** New flows go by these shares from now on. Throws where the data plane refuses. */
  share(shares: NewFlowShares): void;
}

export interface HostDependencies extends Pick<ProberDependencies, "openSocket" | "random" | "randomOctets"> {
  /** Calls `act` again and again; the result ends it. */
  every: (intervalMs: number, act: () => void) => () => void;
}

export interface MonitorDependencies extends HostDependencies {
  log: Record<HealthLine["level"], (fields: Record<string, unknown>, message: string) => void>;
  /** Milliseconds since any fixed point. */
  clock: () => number;
}

/** How often is decided. Reading the counters of 10,000 backends takes about 20 ms of CPU. */
export const LOOK_MS = 1000;

const CHANGES = { Healthy: "healthy", OnTrial: "onTrial", Unhealthy: "unhealthy" } as const;

const nameOf = ({ address, port }: HealthPlan["backends"][number]): string => formatAddress(address, port);

/** Backends that get new flows: only these are checked. */
function servingOf({ backends }: HealthPlan): HealthPlan["backends"] {
  return backends.filter(({ weight }) => weight > 0);
}

function isOn(config: HealthConfig | undefined): config is HealthConfig {
  return config?.active !== undefined || config?.passive !== undefined;
}

/** Looks at the backends once a second and keeps new flows away from those that are down. */
export class HealthMonitor {
  readonly #forwarding: Forwarding;
  readonly #dependencies: MonitorDependencies;
  readonly #prober: Prober;
  readonly #changes = { healthy: 0, onTrial: 0, unhealthy: 0 };
  readonly #problems = new Set<string>();
  #config: HealthConfig | undefined;
  #said = "";
  #pool: Pool = EMPTY_POOL;
  #traffic: ReadonlyMap<string, Traffic> = new Map();
  #shares: NewFlowShares = WHOLE_SHARES;
  #timers: (() => void)[] = [];
  #stopped = false;

  constructor(plan: HealthPlan, forwarding: Forwarding, dependencies: MonitorDependencies) {
    this.#forwarding = forwarding;
    this.#dependencies = dependencies;
    this.#prober = new Prober({ ...dependencies, onProblem: (message) => this.#warnOnce(message) });
    this.adopt(plan);
  }

  /** How the backends of a plan would share new flows: what its contract must say already when it is applied. */
  sharesFor(plan: HealthPlan): NewFlowShares {
    return sharesOf(this.#poolFor(plan));
  }

  /** Goes on with an applied plan, whose contract has the shares that sharesFor said. */
  adopt(plan: HealthPlan): void {
    const before = this.#pool;
    this.#pool = this.#poolFor(plan);
    this.#shares = sharesOf(this.#pool);
    this.#config = plan.health;
    const { health } = plan;
    const targets = servingOf(plan).map((backend) => ({ ...backend, name: nameOf(backend) }));
    this.#prober.adopt(targets, health?.active);
    this.#setTimers();
    // What a new backend was counted for before is nothing that anybody watched; all that comes from now on counts.
    this.#traffic = health?.passive ? new Map([...this.#forwarding.readTraffic(), ...this.#traffic]) : new Map();
    if (!isOn(health)) return;
    this.#sayConfig(health);
    this.#say(describeChange(before, this.#pool, [], health));
  }

  /** Undefined where nothing is checked. */
  report(): HealthReport | undefined {
    if (!isOn(this.#config)) return undefined;
    const counts = { probes: this.#prober.counts, changes: this.#changes };
    return reportHealth(this.#pool, this.#config, counts, this.#dependencies.clock());
  }

  stop(): void {
    this.#stopped = true;
    for (const end of this.#timers) end();
    this.#timers = [];
    this.#prober.close();
  }

  #poolFor(plan: HealthPlan): Pool {
    if (!isOn(plan.health)) return EMPTY_POOL;
    return withBackends(this.#pool, servingOf(plan).map(nameOf), plan.health, this.#dependencies.clock());
  }

  #setTimers(): void {
    for (const end of this.#timers) end();
    this.#timers = [];
    if (this.#stopped) return;
    const { every } = this.#dependencies;
    const look = isOn(this.#config) ? [every(LOOK_MS, () => this.#look())] : [];
    const pump = this.#config?.active ? [every(PUMP_MS, () => this.#prober.pump())] : [];
    this.#timers = [...look, ...pump];
  }

  #look(): void {
    const config = this.#config;
    if (!config) return;
    const before = this.#pool;
    const { pool, transitions } = decidePool(before, this.#observe(config), config, this.#dependencies.clock());
    this.#pool = pool;
    this.#prober.isSlow = pool.suspended;
    for (const { to } of transitions) this.#changes[CHANGES[to]]++;
    this.#say(describeChange(before, pool, transitions, config));
    this.#share(sharesOf(pool));
  }

  #observe(config: HealthConfig): Map<string, Observation> {
    const before = this.#traffic;
    this.#traffic = config.passive ? this.#forwarding.readTraffic() : new Map();
    const probes = this.#prober.takeResults();
    const observations = new Map<string, Observation>();
    for (const name of this.#pool.backends.keys()) {
      const traffic = changeOf(before.get(name), this.#traffic.get(name));
      observations.set(name, { probes: probes.get(name) ?? [], traffic });
    }
    return observations;
  }

  /** What the data plane refuses is tried again at the next look. */
  #share(shares: NewFlowShares): void {
    if (areSameShares(shares, this.#shares)) return;
    try {
      this.#forwarding.share(shares);
      this.#shares = shares;
    } catch (error) {
      this.#warnOnce(`new flows still go to unhealthy backends: ${error instanceof Error ? error.message : error}`);
    }
  }

  #sayConfig(config: HealthConfig): void {
    const fields = describeConfig(config);
    const text = Object.entries(fields)
      .map(([name, value]) => `${name} ${value}`)
      .join("; ");
    if (text !== this.#said) this.#dependencies.log.info(fields, `backend health: ${text}`);
    this.#said = text;
  }

  #say(lines: readonly HealthLine[]): void {
    for (const { level, fields, message } of lines) this.#dependencies.log[level](fields, message);
  }

  #warnOnce(message: string): void {
    if (this.#problems.has(message)) return;
    this.#problems.add(message);
    this.#dependencies.log.warn({}, message);
  }
}

/** Undefined where there is nothing to compare with. */
function changeOf(before: Traffic | undefined, now: Traffic | undefined): Traffic | undefined {
  if (!before || !now) return undefined;
  const changes = TRAFFIC_CELLS.map((cell) => [cell, counterDelta(before[cell], now[cell])]);
  return Object.fromEntries(changes) as Traffic;
}
