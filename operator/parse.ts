import type { RuleFinding } from "../crds/rule_finding.ts";
import { crossFieldFaults, ineffectiveSettings } from "../crds/rules.ts";
import { clusterDestinationRules } from "../crds/rules_destinations.ts";
import { quicLbCautions } from "../crds/rules_quic_lb.ts";
import { type QuicProxySpec, specShape } from "../crds/schema.ts";
import { notYetInEffect, unavailableFaults } from "../crds/unavailable.ts";
import type { ObservedProxy } from "./world.ts";

/** Why a QuicProxy is not accepted: one word for programs, one text for people. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
}

export interface Parsed {
  /** As soon as it has the shape, be it with faults; undefined: it has not. */
  readonly spec: QuicProxySpec | undefined;
  /** What is wrong with it whatever else is in the cluster, a text each. */
  readonly faults: readonly string[];
  readonly warnings: readonly string[];
}

/** The spec of an object, with every fault that the CRD let through. Pure. */
export function parseProxy({ spec: raw }: Pick<ObservedProxy, "spec">): Parsed {
  const parsed = specShape.safeParse(raw);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${formatPath(path)}: allowed: ${message}`);
    return { spec: undefined, faults, warnings: [] };
  }
  const spec = parsed.data;
  const faults = [
    ...crossFieldFaults(spec, []),
    ...clusterDestinationRules(spec),
    ...unavailableFaults(spec),
    ...keyFileRule(spec),
  ];
  const warnings = [...ineffectiveSettings(spec), ...quicLbCautions(spec), ...notYetInEffect(spec)];
  return { spec, faults: faults.map(formatFinding), warnings: warnings.map(formatFinding) };
}

/** A pod has no files of whoever wrote the spec. */
function keyFileRule({ routing }: QuicProxySpec): RuleFinding[] {
  return (routing.quicLB ?? []).flatMap(({ key }, index) => {
    if (key?.file === undefined) return [];
    const path = ["routing", "quicLB", index, "key", "file"];
    return [{ path, what: "names a file, and pods do not have it", allowed: "key.secretRef" }];
  });
}

/** A finding as one text: where, what, and what is allowed instead. */
export function formatFinding({ path, what, allowed }: RuleFinding): string {
  return `${formatPath(path)}: ${what}; allowed: ${allowed}`;
}

function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) => text + (typeof part === "number" ? `[${part}]` : `.${String(part)}`),
    "spec",
  );
}
