import type { ClassSpec } from "./class_schema.ts";
import { cpuMillis, sizeBytes } from "./quantities.ts";
import type { RuleFinding } from "./rule_finding.ts";
import type { QuicProxySpec } from "./schema.ts";

/*
 * What of a spec its QuicProxyClass does not allow, but for destinations, which depend on what is in the cluster.
 */

type Toleration = ClassSpec["tolerations"][number];

/** Every field of a spec that goes beyond the class, with what the class allows. `namespace`: that of the QuicProxy. */
export function classFaults(spec: QuicProxySpec, allowed: ClassSpec, namespace: string): RuleFinding[] {
  return [
    ...namespaceRule(allowed, namespace),
    ...listenerPortRule(spec, allowed),
    ...metricsPortRule(spec, allowed),
    ...selectorRule(spec, allowed),
    ...tolerationRule(spec, allowed),
    ...dataPlaneRules(spec, allowed),
    ...resourceRules(spec, allowed),
    ...actionRules(spec, allowed),
  ];
}

function namespaceRule({ namespaces }: ClassSpec, namespace: string): RuleFinding[] {
  if (namespaces === undefined || namespaces.includes(namespace)) return [];
  const what = `names a class that is not for namespace ${namespace}`;
  return [{ path: ["className"], what, allowed: `another class, or namespace ${orNone(namespaces)}` }];
}

function listenerPortRule({ listeners }: QuicProxySpec, { listenerPorts }: ClassSpec): RuleFinding[] {
  return listeners.flatMap(({ port }, index) => portFault(["listeners", index, "port"], port, listenerPorts));
}

/** Port 0 is none. */
function metricsPortRule({ metrics: { port } }: QuicProxySpec, { metricsPorts }: ClassSpec): RuleFinding[] {
  return port === 0 ? [] : portFault(["metrics", "port"], port, metricsPorts);
}

function portFault(path: RuleFinding["path"], port: number, ranges: ClassSpec["listenerPorts"]): RuleFinding[] {
  if (ranges.some(({ first, last }) => first <= port && port <= last)) return [];
  const texts = ranges.map(({ first, last }) => (first === last ? String(first) : `${first}-${last}`));
  return [{ path, what: `is ${port}`, allowed: orNone(texts) }];
}

function selectorRule({ nodes }: QuicProxySpec, { nodeSelector = {} }: ClassSpec): RuleFinding[] {
  return Object.entries(nodes?.selector ?? {}).flatMap(([key, value]) => {
    const wanted = nodeSelector[key];
    if (wanted === undefined || wanted === value) return [];
    return [{ path: ["nodes", "selector", key], what: `is "${value}"`, allowed: `"${wanted}", or no ${key}` }];
  });
}

function tolerationRule({ nodes }: QuicProxySpec, { tolerations }: ClassSpec): RuleFinding[] {
  return (nodes?.tolerations ?? []).flatMap((toleration, index) => {
    if (tolerations.some((bound) => isWithin(toleration, bound))) return [];
    const path = ["nodes", "tolerations", index];
    return [{ path, what: `tolerates ${tolerated(toleration)}`, allowed: orNone(tolerations.map(tolerated)) }];
  });
}

/** Whether every taint that one toleration tolerates is tolerated by the other. */
function isWithin(one: Toleration, other: Toleration): boolean {
  if (other.effect !== undefined && other.effect !== one.effect) return false;
  if (other.key === undefined) return true;
  if (other.key !== one.key) return false;
  return other.operator === "Exists" || (one.operator === "Equal" && (one.value ?? "") === (other.value ?? ""));
}

function tolerated({ key, operator, value, effect }: Toleration): string {
  const taint = key === undefined ? "every taint" : operator === "Exists" ? key : `${key}=${value ?? ""}`;
  return effect === undefined ? taint : `${taint}:${effect}`;
}

function dataPlaneRules({ dataPlane }: QuicProxySpec, { max }: ClassSpec): RuleFinding[] {
  const { max: workers } = dataPlane.workers;
  const tooMany =
    workers > max.workers
      ? [{ path: ["dataPlane", "workers", "max"], what: `is ${workers}`, allowed: `at most ${max.workers}` }]
      : [];
  const sizes = (["flowMemory", "receiveBuffer", "sendBuffer"] as const).flatMap((name) =>
    tooLarge(["dataPlane", name], { value: dataPlane[name], most: max[name], amountOf: sizeBytes }),
  );
  return [...tooMany, ...sizes];
}

function resourceRules({ resources }: QuicProxySpec, { max }: ClassSpec): RuleFinding[] {
  return (["requests", "limits"] as const).flatMap((side) => [
    ...tooLarge(["resources", side, "cpu"], { value: resources?.[side]?.cpu, most: max.cpu, amountOf: cpuMillis }),
    ...tooLarge(["resources", side, "memory"], {
      value: resources?.[side]?.memory,
      most: max.memory,
      amountOf: sizeBytes,
    }),
  ]);
}

interface Amount {
  readonly value: string | undefined;
  readonly most: string;
  amountOf(text: string): number | undefined;
}

function tooLarge(path: readonly string[], { value, most, amountOf }: Amount): RuleFinding[] {
  if (value === undefined || (amountOf(value) ?? 0) <= (amountOf(most) ?? 0)) return [];
  return [{ path, what: `is ${value}`, allowed: `at most ${most}` }];
}

function actionRules({ tuning, scaling, autoscaling }: QuicProxySpec, allowed: ClassSpec): RuleFinding[] {
  const asked: [path: string[], what: string, isAsked: boolean][] = [
    [["tuning", "mode"], "is Apply, which changes nodes", tuning?.mode === "Apply" && allowed.tuning === "Refused"],
    [["scaling", "nodes"], "is set", scaling?.nodes !== undefined && allowed.scaling === "Refused"],
    [["autoscaling"], "is set", autoscaling !== undefined && allowed.scaling === "Refused"],
  ];
  const otherwise: Record<string, string> = { tuning: "Observe" };
  return asked.flatMap(([path, what, isAsked]) =>
    isAsked ? [{ path, what, allowed: otherwise[path[0]!] ?? `no ${path[0]}` }] : [],
  );
}

function orNone(texts: readonly string[]): string {
  return texts.length === 0 ? "none" : texts.join(", ");
}
