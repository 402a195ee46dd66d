import type { RuleFinding, SoundSpec } from "../../crds/rule_finding.ts";
import { ineffectiveSettings } from "../../crds/rules.ts";
import { quicLbCautions } from "../../crds/rules_quic_lb.ts";
import { isAskedFor, settingAt, unavailableFaults } from "../../crds/unavailable.ts";

/** What a manifest may ask for and this version leaves undone without harm: asking is a warning. */
const UNUSED: readonly { path: readonly string[]; what: string; allowed: string }[] = [
  ...["className", "nodes", "resources", "scaling", "tuning", "autoscaling"].map((key) => ({
    path: [key],
    what: "is only meaningful in a cluster, ignored here",
    allowed: `no ${key}`,
  })),
];

/** What this proxy, run without a cluster, cannot do of a spec. */
export function standaloneFaults(spec: SoundSpec): RuleFinding[] {
  const faults = unavailableFaults(spec);
  return isAskedFor(spec, ["backends", "service"]) ? [serviceFault, ...faults] : faults;
}

/** What is valid and will have no effect here, or one that is better known. */
export function standaloneWarnings(spec: SoundSpec): RuleFinding[] {
  return [
    ...ineffectiveSettings(spec),
    ...quicLbCautions(spec),
    ...UNUSED.filter(({ path }) => settingAt(spec, path) !== undefined),
  ];
}

const serviceFault: RuleFinding = {
  path: ["backends", "service"],
  what: "needs a cluster, and this proxy runs without one",
  allowed: "backends.static with the address and port of each backend",
};
