import { ineffectiveSettings, type RuleFinding, type SoundSpec } from "../../crds/rules.ts";

/** What a manifest may ask for and this version does not do: asking is a fault. Without values: the field itself. */
const UNAVAILABLE: readonly { path: readonly string[]; values?: readonly string[]; allowed: string }[] = [
  { path: ["dataPlane", "mode"], values: ["Decoupled"], allowed: "RunToCompletion or Baseline" },
  { path: ["dataPlane", "fastPath"], values: ["XDP", "AFXDP"], allowed: "Auto or Disabled" },
  {
    path: ["routing", "quicLB"],
    allowed: "no quicLB; flows keep their backend by learned Connection IDs and addresses",
  },
];

/** What a manifest may ask for and this version leaves undone without harm: asking is a warning. */
const UNUSED: readonly { path: readonly string[]; what: string; allowed: string }[] = [
  {
    path: ["dataPlane", "sampleOneIn"],
    what: "is ignored: this version logs no sampled connections",
    allowed: "no sampleOneIn",
  },
  ...["nodes", "tuning", "autoscaling"].map((key) => ({
    path: [key],
    what: "is only meaningful in a cluster, ignored here",
    allowed: `no ${key}`,
  })),
];

/** What this proxy, run without a cluster, cannot do of a spec. */
export function standaloneFaults(spec: SoundSpec): RuleFinding[] {
  const faults = UNAVAILABLE.filter(({ path, values }) => isAskedFor(spec, path, values)).map(({ path, allowed }) => {
    return { path, what: `${shown(at(spec, path))}is not available in this version`, allowed };
  });
  return isAskedFor(spec, ["backends", "service"]) ? [serviceFault, ...faults] : faults;
}

/** What will have no effect here although it is valid. */
export function standaloneWarnings(spec: SoundSpec): RuleFinding[] {
  return [...ineffectiveSettings(spec), ...UNUSED.filter(({ path }) => at(spec, path) !== undefined)];
}

const serviceFault: RuleFinding = {
  path: ["backends", "service"],
  what: "needs a cluster, and this proxy runs without one",
  allowed: "backends.static with the address and port of each backend",
};

function isAskedFor(spec: SoundSpec, path: readonly string[], values?: readonly string[]): boolean {
  const value = at(spec, path);
  if (values !== undefined) return typeof value === "string" && values.includes(value);
  return Array.isArray(value) ? value.length > 0 : value !== undefined;
}

function at(spec: SoundSpec, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], spec);
}

function shown(value: unknown): string {
  return typeof value === "string" ? `${value} ` : "";
}
