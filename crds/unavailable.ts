import type { RuleFinding, SoundSpec } from "./rule_finding.ts";

/** What a spec may ask for and this version does not do: asking is a fault. Without values: the field itself. */
const UNAVAILABLE: readonly { path: readonly string[]; values?: readonly string[]; allowed: string }[] = [
  { path: ["dataPlane", "fastPath"], values: ["XDP", "AFXDP"], allowed: "Auto or Disabled" },
];

/** What a spec may ask for and the operator of this version does not do: everything else of the spec is done. */
const NOT_YET: readonly { path: readonly string[]; allowed: string }[] = [
  { path: ["tuning"], allowed: "tuning of the nodes by hand" },
  { path: ["autoscaling"], allowed: "spec.scaling.nodes, kubectl scale, or a HorizontalPodAutoscaler on it" },
];

/** What of a spec has no effect in a cluster. */
export function notYetInEffect(spec: SoundSpec): RuleFinding[] {
  const found = NOT_YET.filter(({ path }) => isAskedFor(spec, path));
  const waiting = found.map(({ path, allowed }) => ({ path, what: "has no effect in this version", allowed }));
  if (!isAskedFor(spec, ["routing", "quicLB"]) || !isAskedFor(spec, ["backends", "service"])) return waiting;
  const what = "has no effect with backends.service: its endpoints have no server IDs that the proxy knows";
  return [...waiting, { path: ["routing", "quicLB"], what, allowed: "backends.static with a serverId each" }];
}

/** Everything that a spec asks for and no proxy of this version can do. */
export function unavailableFaults(spec: SoundSpec): RuleFinding[] {
  return UNAVAILABLE.filter(({ path, values }) => isAskedFor(spec, path, values)).map(({ path, allowed }) => {
    return { path, what: `${shown(settingAt(spec, path))}is not available in this version`, allowed };
  });
}

/** Whether a setting is there and says something: one of `values` where given, else anything but an empty list. */
export function isAskedFor(spec: SoundSpec, path: readonly string[], values?: readonly string[]): boolean {
  const value = settingAt(spec, path);
  if (values !== undefined) return typeof value === "string" && values.includes(value);
  return Array.isArray(value) ? value.length > 0 : value !== undefined;
}

export function settingAt(spec: SoundSpec, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], spec);
}

function shown(value: unknown): string {
  return typeof value === "string" ? `${value} ` : "";
}
