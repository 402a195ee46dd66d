import type { RuleFinding, SoundSpec } from "./rule_finding.ts";
import { backendRules } from "./rules_backends.ts";
import { destinationRules } from "./rules_destinations.ts";
import { listenerRules } from "./rules_listeners.ts";
import { tolerationRules } from "./rules_nodes.ts";
import { quicLbRules, unusedServerIds } from "./rules_quic_lb.ts";
import { DEFAULTS } from "./schema.ts";

/**
 * Everything that a schema of single fields cannot refuse. Works on what is sound of a spec, before defaults, so that
 * one wrong field does not hide another fault. `localAddresses` are the host's own, for the loop rule; empty where the
 * spec is not for this host.
 */
export function crossFieldFaults(spec: SoundSpec, localAddresses: readonly string[]): RuleFinding[] {
  return [
    ...listenerRules(spec),
    ...backendRules(spec, localAddresses),
    ...destinationRules(spec),
    ...connectionIdRules(spec),
    ...quicLbRules(spec),
    ...workerRules(spec),
    ...upstreamPortRules(spec),
    ...nodeCountRules(spec),
    ...tolerationRules(spec),
  ];
}

/** What is valid but does nothing; said aloud because silence looks like a broken proxy. */
export function ineffectiveSettings(spec: SoundSpec): RuleFinding[] {
  return [...baselineLimits(spec), ...unusedServerIds(spec)];
}

function connectionIdRules({ routing }: SoundSpec): RuleFinding[] {
  if (routing?.fallback !== "ConnectionID" || "connectionIdLength" in routing) return [];
  return [
    {
      path: ["routing", "connectionIdLength"],
      what: "is missing, but routing.fallback is ConnectionID and short headers do not carry the length",
      allowed: "the length of the Connection IDs in octets, 1 to 20",
    },
  ];
}

function workerRules({ dataPlane }: SoundSpec): RuleFinding[] {
  const findings: RuleFinding[] = [];
  const min = orDefault(dataPlane?.workers, "min", DEFAULTS.minWorkers);
  const max = orDefault(dataPlane?.workers, "max", DEFAULTS.maxWorkers);
  if (min !== undefined && max !== undefined && min > max) {
    const what = `min ${min} is more than max ${max}${dataPlane?.workers?.max === undefined ? " (its default)" : ""}`;
    findings.push({ path: ["dataPlane", "workers"], what, allowed: "min at most max" });
  }
  const mode = orDefault(dataPlane, "mode", DEFAULTS.mode);
  const workers = mode === "Baseline" ? 1 : mode && max;
  const sockets = dataPlane?.upstreamSockets;
  if (sockets !== undefined && workers !== undefined && sockets < workers) {
    const what = `${sockets} is fewer than the ${workers} workers that dataPlane.workers.max allows`;
    findings.push({ path: ["dataPlane", "upstreamSockets"], what, allowed: "at least one socket for each worker" });
  }
  return findings;
}

const PORTS_PER_BLOCK = 256;

function upstreamPortRules({ dataPlane }: SoundSpec): RuleFinding[] {
  const first = orDefault(dataPlane?.upstreamPorts, "first", DEFAULTS.firstUpstreamPort);
  const last = orDefault(dataPlane?.upstreamPorts, "last", DEFAULTS.lastUpstreamPort);
  if (first === undefined || last === undefined) return [];
  const firstBlock = Math.ceil(first / PORTS_PER_BLOCK);
  if (Math.floor((last + 1) / PORTS_PER_BLOCK) > firstBlock) return [];
  const what = `${first} to ${last} holds no whole block of ${PORTS_PER_BLOCK} ports`;
  const block = firstBlock * PORTS_PER_BLOCK;
  const allowed = `at least one, such as ${block} to ${block + PORTS_PER_BLOCK - 1}`;
  return [{ path: ["dataPlane", "upstreamPorts"], what, allowed }];
}

function nodeCountRules({ autoscaling }: SoundSpec): RuleFinding[] {
  const min = orDefault(autoscaling, "minNodes", DEFAULTS.minNodes);
  const max = autoscaling?.maxNodes;
  if (min === undefined || max === undefined || min <= max) return [];
  const what = `minNodes ${min} is more than maxNodes ${max}`;
  return [{ path: ["autoscaling"], what, allowed: "minNodes at most maxNodes" }];
}

/** The value of a key, its default where the key is absent, undefined where its value has a fault of its own. */
function orDefault<T extends object, K extends keyof T>(
  parent: T | undefined,
  key: K,
  otherwise: NonNullable<T[K]>,
): T[K] | undefined {
  return parent !== undefined && key in parent ? parent[key] : otherwise;
}

function baselineLimits({ backends, dataPlane }: SoundSpec): RuleFinding[] {
  if (dataPlane?.mode !== "Baseline") return [];
  const findings: RuleFinding[] = [];
  for (const kind of ["active", "passive"] as const) {
    if (backends?.health?.[kind]?.mode !== "Enabled") continue;
    const what = "has no effect: dataPlane.mode Baseline remembers no flow that a change of weights must not move";
    findings.push({ path: ["backends", "health", kind], what, allowed: "mode: Disabled, or another dataPlane.mode" });
  }
  const { min = 1, max = 1 } = dataPlane.workers ?? {};
  if (Math.max(min, max) > 1) {
    const what = "has no effect: dataPlane.mode Baseline runs one worker";
    findings.push({ path: ["dataPlane", "workers"], what, allowed: "max: 1, or another mode" });
  }
  if ((dataPlane.batch ?? 1) > 1) {
    const what = "has no effect: dataPlane.mode Baseline moves one datagram per call";
    findings.push({ path: ["dataPlane", "batch"], what, allowed: "1, or another mode" });
  }
  return findings;
}
