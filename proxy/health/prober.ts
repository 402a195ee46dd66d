import { parseIpAddress } from "../../crds/ip_address.ts";
import type { ActiveConfig } from "./config.ts";
import { encodeProbe, PROBE_RANDOM_BYTES, type ProbeIds, parseVersionNegotiation } from "./probe.ts";
import type { OpenProbeSocket, ProbeSender, ProbeSocket } from "./probe_socket.ts";
import type { ProbeResult } from "./state.ts";

export interface ProbeTarget {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

export interface ProberDependencies {
  openSocket: OpenProbeSocket;
  /** Milliseconds since any fixed point. */
  clock: () => number;
  /** 0 to 1, without 1. */
  random: () => number;
  randomOctets: (count: number) => Uint8Array;
  /** A problem of this host, such as a firewall of its own: no fault of a backend. */
  onProblem: (message: string) => void;
}

export interface ProbeCounts {
  answered: number;
  unanswered: number;
  /** Could not be sent, for a reason on this host. */
  unsent: number;
}

interface Schedule extends ProbeTarget {
  readonly family: 4 | 6;
  dueMs: number;
  inFlight: (ProbeIds & { readonly key: string; deadlineMs: number }) | undefined;
}

/** How often `pump` is to be called. */
export const PUMP_MS = 50;
/** What never more than so many backends are asked at once and so many a second: 1.2 MB/s. */
export const IN_FLIGHT_MAX = 1024;
export const PROBES_PER_SECOND = 1000;

/** Each interval varies by this share, so that many proxies do not ask in step. */
const JITTER = 0.1;
/** Backends that never answered are asked this much less often. */
const SLOWER = 10;
const UNREACHABLE = new Set(["EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "ECONNREFUSED"]);

/** Asks backends for Version Negotiation, spread over the interval, and keeps what came of it until it is taken. */
export class Prober {
  readonly counts: ProbeCounts = { answered: 0, unanswered: 0, unsent: 0 };
  /** Ask rarely, because none ever answered. */
  isSlow = false;
  readonly #dependencies: ProberDependencies;
  readonly #sockets = new Map<4 | 6, ProbeSocket>();
  readonly #waiting = new Map<string, Schedule>();
  #schedules = new Map<string, Schedule>();
  #order: Schedule[] = [];
  #results = new Map<string, ProbeResult[]>();
  #config: ActiveConfig | undefined;
  #next = 0;
  #pumpedAtMs: number | undefined;

  constructor(dependencies: ProberDependencies) {
    this.#dependencies = dependencies;
  }

  /** Asks these from now on; who was asked before keeps its turn. `config` undefined: asks nobody. */
  adopt(targets: readonly ProbeTarget[], config: ActiveConfig | undefined): void {
    const before = this.#schedules;
    const isChanged = config?.intervalMs !== this.#config?.intervalMs;
    this.#config = config;
    this.#schedules = new Map();
    for (const target of config ? targets : []) {
      const old = isChanged ? undefined : before.get(target.name);
      this.#schedules.set(target.name, old ?? this.#schedule(target, config!));
    }
    for (const [name, schedule] of before) if (this.#schedules.get(name) !== schedule) this.#forget(schedule);
    this.#order = [...this.#schedules.values()];
    this.#results = new Map([...this.#results].filter(([name]) => this.#schedules.has(name)));
    if (!config) this.close();
  }

  /** Sends what is due and gives up on what is overdue. */
  pump(): void {
    const nowMs = this.#dependencies.clock();
    this.#pardon(nowMs);
    this.#giveUp(nowMs);
    const sendMax = Math.min((PROBES_PER_SECOND * PUMP_MS) / 1000, IN_FLIGHT_MAX - this.#waiting.size);
    this.#sendDue(nowMs, sendMax);
  }

  /** The results since the last call, by the name of the backend, oldest first. */
  takeResults(): ReadonlyMap<string, readonly ProbeResult[]> {
    const results = this.#results;
    this.#results = new Map();
    return results;
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
    this.#waiting.clear();
  }

  #schedule({ name, address, port }: ProbeTarget, { intervalMs }: ActiveConfig): Schedule {
    const { clock, random } = this.#dependencies;
    const family = address.includes(":") ? 6 : 4;
    return { name, address, port, family, dueMs: clock() + random() * intervalMs, inFlight: undefined };
  }

  /** While this process stood still no answer could be read: that time is no backend's fault. */
  #pardon(nowMs: number): void {
    const lateMs = nowMs - (this.#pumpedAtMs ?? nowMs) - PUMP_MS;
    this.#pumpedAtMs = nowMs;
    if (lateMs < PUMP_MS) return;
    for (const { inFlight } of this.#waiting.values()) if (inFlight) inFlight.deadlineMs += lateMs;
  }

  #giveUp(nowMs: number): void {
    for (const schedule of this.#waiting.values()) {
      if (schedule.inFlight && schedule.inFlight.deadlineMs <= nowMs) this.#finish(schedule, "Unanswered");
    }
  }

  /** Goes on where it stopped the last time, so that nobody is left out when there are too many. */
  #sendDue(nowMs: number, sendMax: number): void {
    let sent = 0;
    for (let seen = 0; seen < this.#order.length && sent < sendMax; seen++) {
      const schedule = this.#order[this.#next++ % this.#order.length]!;
      if (schedule.inFlight || schedule.dueMs > nowMs) continue;
      this.#send(schedule, nowMs);
      sent++;
    }
    this.#next %= Math.max(1, this.#order.length);
  }

  #send(schedule: Schedule, nowMs: number): void {
    const { random, randomOctets } = this.#dependencies;
    const { intervalMs, timeoutMs } = this.#config!;
    const spread = 1 - JITTER + 2 * JITTER * random();
    schedule.dueMs = nowMs + Math.max(timeoutMs, intervalMs * spread * (this.isSlow ? SLOWER : 1));
    const { datagram, ids } = encodeProbe(randomOctets(PROBE_RANDOM_BYTES));
    const key = keyOf(ids);
    schedule.inFlight = { ...ids, key, deadlineMs: nowMs + timeoutMs };
    this.#waiting.set(key, schedule);
    try {
      this.#socketOf(schedule.family).send(datagram, schedule, (error) => this.#onSent(schedule, key, error));
    } catch (error) {
      this.#onSent(schedule, key, error as NodeJS.ErrnoException);
    }
  }

  /** An unreachable backend does not answer, which is found when its time is up. */
  #onSent(schedule: Schedule, key: string, error: NodeJS.ErrnoException | null): void {
    if (!error || UNREACHABLE.has(error.code ?? "") || schedule.inFlight?.key !== key) return;
    this.counts.unsent++;
    this.#forget(schedule);
    this.#dependencies.onProblem(`probes over IPv${schedule.family} cannot be sent: ${error.message}`);
  }

  #socketOf(family: 4 | 6): ProbeSocket {
    const present = this.#sockets.get(family);
    if (present) return present;
    const socket = this.#dependencies.openSocket(family, {
      onDatagram: (datagram, from) => this.#onDatagram(datagram, from),
      onError: ({ message }) => {
        if (this.#sockets.get(family) === socket) this.#sockets.delete(family);
        this.#dependencies.onProblem(`probes over IPv${family} cannot be sent: ${message}`);
      },
    });
    this.#sockets.set(family, socket);
    return socket;
  }

  /** Only the backend that was asked knows both IDs. */
  #onDatagram(datagram: Uint8Array, from: ProbeSender): void {
    const ids = parseVersionNegotiation(datagram);
    const schedule = ids && this.#waiting.get(keyOf(ids));
    if (!schedule || from.port !== schedule.port) return;
    if (parseIpAddress(from.address)?.text === schedule.address) this.#finish(schedule, "Answered");
  }

  #finish(schedule: Schedule, result: ProbeResult): void {
    this.#forget(schedule);
    this.counts[result === "Answered" ? "answered" : "unanswered"]++;
    const results = this.#results.get(schedule.name);
    if (results) results.push(result);
    else this.#results.set(schedule.name, [result]);
  }

  #forget(schedule: Schedule): void {
    if (schedule.inFlight) this.#waiting.delete(schedule.inFlight.key);
    schedule.inFlight = undefined;
  }
}

function keyOf({ dcid, scid }: ProbeIds): string {
  return `${Buffer.from(dcid).toString("hex")}-${Buffer.from(scid).toString("hex")}`;
}
