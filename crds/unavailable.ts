import type { RuleFinding, SoundSpec } from "./rule_finding.ts";

/** What a spec may ask for and this version does not do: asking is a fault. Without values: the field itself. */
const UNAVAILABLE: readonly { path: readonly string[]; values?: readonly string[]; allowed: string }[] = [
  { path: ["dataPlane", "fastPath"], values: ["XDP", "AFXDP"], allowed: "Auto or Disabled" },
];

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
