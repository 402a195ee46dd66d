import { cpuMillis, cpuText, sizeBytes, sizeText } from "../../crds/quantities.ts";
import type { RuleFinding } from "../../crds/rule_finding.ts";
import type { QuicProxySpec } from "../../crds/schema.ts";
import type { Terms } from "./terms.ts";

/*
 * Processor time and memory of a proxy's pod: what its QuicProxy says, else its class, else what its settings need.
 */

const MIB = 1024 * 1024;
/**
 * Code, Node.js, stacks and a thousand backends; the tables come on top. Measured (resident at most, less 64 MiB of tables):
 * 86 MiB without a backend, 125 with 1,000, 136 with 8 workers, 194 with 5,000, 328 with 16,384.
 */
const BASE_BYTES = 144 * MIB;
const BASE_BACKENDS = 1000;
const BACKEND_BYTES = 16 * 1024;
/** Rings of single datagrams of eight workers, 8 MiB each; how many run is not for the pod to say. */
const DECOUPLED_BYTES = 64 * MIB;
const DEFAULT_CPU_MILLIS = 100;

type Side = "requests" | "limits";
type Defaults = Pick<Terms, "resources"> | undefined;

interface Amounts {
  readonly cpu?: string;
  readonly memory?: string;
}

/**
 * Memory that a proxy takes with its settings, in octets. How many backends a Service has is not in it, since pods must not
 * roll for each of them: who has more than a thousand asks for 16 KiB more for each.
 */
export function memoryNeedBytes({ dataPlane }: Pick<QuicProxySpec, "dataPlane">): number {
  const rings = dataPlane.mode === "Decoupled" ? DECOUPLED_BYTES : 0;
  return BASE_BYTES + rings + Math.ceil(flowBytes({ dataPlane }) / MIB) * MIB;
}

function flowBytes({ dataPlane }: Pick<QuicProxySpec, "dataPlane">): number {
  return sizeBytes(dataPlane.flowMemory) ?? 0;
}

/** The same for a limit, which is to hold for all that the spec names. */
function leastLimitBytes({ dataPlane, backends }: QuicProxySpec): number {
  const further = Math.max(0, (backends.static?.length ?? 0) - BASE_BACKENDS);
  return memoryNeedBytes({ dataPlane }) + Math.ceil((further * BACKEND_BYTES) / MIB) * MIB;
}

/** Resources of the container, as the API server writes them. A request that nobody named is at most the limit. */
export function podResources(
  spec: QuicProxySpec,
  defaults: Defaults,
): { readonly requests: Amounts; readonly limits?: Amounts } {
  const limit = { cpu: cpuOf("limits", spec, defaults), memory: memoryOf("limits", spec, defaults) };
  const within = (amount: number, most = amount): number => Math.min(amount, most);
  const cpu = cpuOf("requests", spec, defaults) ?? within(DEFAULT_CPU_MILLIS, limit.cpu);
  const memory = memoryOf("requests", spec, defaults) ?? within(memoryNeedBytes(spec), limit.memory);
  const requests = { cpu: cpuText(cpu), memory: sizeText(memory) };
  const limits = {
    ...(limit.cpu === undefined ? {} : { cpu: cpuText(limit.cpu) }),
    ...(limit.memory === undefined ? {} : { memory: sizeText(limit.memory) }),
  };
  return Object.keys(limits).length === 0 ? { requests } : { requests, limits };
}

/** What no pod can run with. */
export function resourceFaults(spec: QuicProxySpec, defaults: Defaults): RuleFinding[] {
  return [...orderRules(spec, defaults), ...memoryLimitRule(spec, defaults)];
}

/** What a pod runs with, though not for ever. */
export function resourceNotes(spec: QuicProxySpec, defaults: Defaults): RuleFinding[] {
  const limit = memoryOf("limits", spec, defaults);
  const need = leastLimitBytes(spec) + flowBytes(spec);
  if (limit === undefined || limit >= need) return [];
  const what =
    `is ${sizeText(limit)}: workers that are added later may need ${sizeText(need)} until the proxy restarts, and a pod ` +
    "above its limit is ended";
  return [
    { path: ["resources", "limits", "memory"], what, allowed: `${sizeText(need)} where workers are to be added` },
  ];
}

function orderRules(spec: QuicProxySpec, defaults: Defaults): RuleFinding[] {
  const [cpu, memory] = [cpuOf, memoryOf].map((amountOf) => {
    return { request: amountOf("requests", spec, defaults), limit: amountOf("limits", spec, defaults) };
  });
  return [...orderRule("cpu", cpu!, cpuText), ...orderRule("memory", memory!, sizeText)];
}

interface Pair {
  readonly request: number | undefined;
  readonly limit: number | undefined;
}

function orderRule(name: "cpu" | "memory", { request, limit }: Pair, text: (amount: number) => string): RuleFinding[] {
  if (request === undefined || limit === undefined || request <= limit) return [];
  const what = `requests ${text(request)}, and the limit is ${text(limit)}`;
  return [{ path: ["resources", "requests", name], what, allowed: "at most the limit, be it the class's" }];
}

function memoryLimitRule(spec: QuicProxySpec, defaults: Defaults): RuleFinding[] {
  const limit = memoryOf("limits", spec, defaults);
  const need = leastLimitBytes(spec);
  if (limit === undefined || limit >= need) return [];
  const whose = spec.resources?.limits?.memory === undefined ? " by the class's default" : "";
  const what = `is ${sizeText(limit)}${whose}, and the proxy needs ${sizeText(need)} with dataPlane.flowMemory ${spec.dataPlane.flowMemory}`;
  return [{ path: ["resources", "limits", "memory"], what, allowed: `at least ${sizeText(need)}, or less flowMemory` }];
}

function cpuOf(side: Side, { resources }: QuicProxySpec, defaults: Defaults): number | undefined {
  return cpuMillis(resources?.[side]?.cpu ?? defaults?.resources?.[side]?.cpu ?? "");
}

function memoryOf(side: Side, { resources }: QuicProxySpec, defaults: Defaults): number | undefined {
  return sizeBytes(resources?.[side]?.memory ?? defaults?.resources?.[side]?.memory ?? "");
}
