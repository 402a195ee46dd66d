import { type DropEntry, dropOf, parseReasonNames, type ReasonNames } from "../drop_reasons.ts";
import type { EvidenceLevel, Witness } from "../witness.ts";
import { eventsPerSecond, STORM_CHECK_MS, STORM_EVENTS_PER_SECOND, STORM_LIMIT_MS } from "./drop_storm.ts";
import { whyNot } from "./drop_witness_refusal.ts";

/** What the addon gives (native/host_binding/drop_reasons_binding.cc): the programs in the kernel, attached when it is made. */
export interface DropReasonsProgram {
  /** Since it was made; also after detach(). */
  read(): DropTotals;
  /** Of that the events alone, which costs next to nothing. */
  events(): number;
  /** What was counted stays readable. */
  detach(): void;
}

export interface DropTotals {
  readonly entries: readonly DropEntry[];
  readonly events: number;
  readonly lost: number;
  readonly unreadable: number;
  readonly missed: number;
}

export interface DropReasonsSettings {
  /** Inode numbers of network namespaces. */
  readonly namespaces: readonly number[];
  /** Counted apart; all others together. */
  readonly ports: readonly number[];
  readonly witness: Exclude<EvidenceLevel, "counters">;
}

/** Throws an Error whose `code` is NoTypes, NoTracepoint, NoRights, Refused or Settings; TypeError for other shapes. */
export type DropReasonsClass = new (settings: DropReasonsSettings) => DropReasonsProgram;

/** What watching asks of the machine. */
export interface WatchSystem {
  readonly DropReasons: DropReasonsClass;
  /** Steady, in milliseconds. */
  steadyMs(): number;
  /** Throws where there is no such file. */
  readText(path: string): string;
  readOctets(path: string): Uint8Array;
  /** Calls back again and again, keeps no process alive, and returns how to end that. */
  every(intervalMs: number, act: () => void): () => void;
}

export interface WatchPlan {
  /** Inode number of the network namespace that the readings are of. */
  readonly namespace: number;
  /** UDP ports to tell apart: those asked about, or those of all sockets. */
  readonly ports: readonly number[];
  /** From how many events a second on it ends itself; default STORM_EVENTS_PER_SECOND. */
  readonly stormEventsPerSecond?: number;
}

/** What the addon can tell apart; the ports beyond are counted together. */
export const MAXIMUM_PORTS = 4096;

const LEVELS = ["reasons", "udp_fail"] as const;
const VMLINUX = "/sys/kernel/btf/vmlinux";
/** Modules whose reasons have names of their own. */
const MODULES = ["/sys/kernel/btf/mac80211", "/sys/kernel/btf/openvswitch"];

interface Attached {
  readonly level: EvidenceLevel;
  readonly program: DropReasonsProgram | undefined;
  readonly refusals: Witness["refusals"];
}

function attach({ namespace, ports }: WatchPlan, system: WatchSystem): Attached {
  const refusals: { level: EvidenceLevel; why: string }[] = [];
  for (const level of LEVELS) {
    try {
      const settings = { namespaces: [namespace], ports: ports.slice(0, MAXIMUM_PORTS), witness: level };
      return { level, program: new system.DropReasons(settings), refusals };
    } catch (error) {
      refusals.push({ level, why: whyNot(error, system) });
    }
  }
  return { level: "counters", program: undefined, refusals };
}

function readNames(system: WatchSystem): ReasonNames {
  const modules = MODULES.flatMap((path) => {
    try {
      return [system.readOctets(path)];
    } catch {
      return [];
    }
  });
  return parseReasonNames(system.readOctets(VMLINUX), modules);
}

/**
 * The second witness of one window: counts drops by the kernel's own reasons from now until end(). Takes some 50 ms, in which
 * nothing else runs, and does nothing while datagrams are delivered. Where the host allows no witness, it says why. The
 * process may end without end(): nothing stays in the kernel.
 */
export class DropWatch {
  readonly #system: WatchSystem;
  readonly #plan: WatchPlan;
  readonly #attached: Attached;
  readonly #startMs: number;
  readonly #stopChecks: () => void;
  #endMs: number | undefined;
  #witness: Witness | undefined;
  #checked: { readonly events: number; readonly atMs: number };
  #stormRate: number | undefined;

  constructor(plan: WatchPlan, system: WatchSystem) {
    this.#system = system;
    this.#plan = plan;
    this.#attached = attach(plan, system);
    this.#startMs = system.steadyMs();
    this.#checked = { events: 0, atMs: this.#startMs };
    this.#stopChecks =
      this.#attached.program === undefined ? () => {} : system.every(STORM_CHECK_MS, () => this.#check());
  }

  /** Counts nothing from now on. */
  stop(): void {
    if (this.#endMs !== undefined) return;
    this.#stopChecks();
    this.#attached.program?.detach();
    this.#endMs = this.#system.steadyMs();
  }

  /** Stops, and tells what was counted. Again: the same. */
  end(): Witness {
    this.stop();
    this.#witness ??= this.#read();
    return this.#witness;
  }

  #read(): Witness {
    const { program, level, refusals } = this.#attached;
    const { entries, ...totals } = program?.read() ?? { entries: [], events: 0, lost: 0, unreadable: 0, missed: 0 };
    const rest = {
      namespace: this.#plan.namespace,
      seconds: ((this.#endMs ?? this.#startMs) - this.#startMs) / 1000,
      ...totals,
      ...(this.#stormRate !== undefined && { stopped: { eventsPerSecond: this.#stormRate } }),
    };
    try {
      const names = level === "reasons" ? readNames(this.#system) : String;
      return { level, refusals, drops: entries.map((entry) => dropOf(entry, names)), ...rest };
    } catch (error) {
      // Numbers without names prove nothing.
      const why = error instanceof Error ? error.message : String(error);
      return { ...rest, level: "counters", refusals: [...refusals, { level, why }], drops: [] };
    }
  }

  #check(): void {
    const now = { events: this.#attached.program?.events() ?? 0, atMs: this.#system.steadyMs() };
    const rate = eventsPerSecond(this.#checked, now);
    this.#checked = now;
    if (rate > (this.#plan.stormEventsPerSecond ?? STORM_EVENTS_PER_SECOND)) this.#stormRate ??= rate;
    if (this.#stormRate !== undefined && now.atMs - this.#startMs >= STORM_LIMIT_MS) this.stop();
  }
}
