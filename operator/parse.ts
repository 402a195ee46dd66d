import type { RuleFinding } from "../crds/rule_finding.ts";
import { crossFieldFaults, ineffectiveSettings } from "../crds/rules.ts";
import { clusterDestinationRules } from "../crds/rules_destinations.ts";
import { quicLbCautions } from "../crds/rules_quic_lb.ts";
import { type QuicProxySpec, specShape } from "../crds/schema.ts";
import { notYetInEffect, unavailableFaults } from "../crds/unavailable.ts";
import { strung } from "./listing.ts";
import type { ObservedProxy } from "./world.ts";

/** Why a QuicProxy is not accepted: one word for programs, one text for people. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
}

export type Parsed =
  | { readonly ok: true; readonly spec: QuicProxySpec; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly refusal: Refusal };

const SHOWN_FAULTS_MAX = 20;

/** The spec of an object, or every fault that the CRD let through, in one message. Pure. */
export function parseProxy({ spec: raw, namespace }: Pick<ObservedProxy, "spec" | "namespace">): Parsed {
  const parsed = specShape.safeParse(raw);
  if (!parsed.success) {
    return refuse(parsed.error.issues.map(({ path, message }) => `${formatPath(path)}: allowed: ${message}`));
  }
  const spec = parsed.data;
  const clusterFaults = [...namespaceRule(spec, namespace), ...keyFileRule(spec)];
  const faults = [
    ...crossFieldFaults(spec, []),
    ...clusterDestinationRules(spec),
    ...unavailableFaults(spec),
    ...clusterFaults,
  ];
  if (faults.length > 0) return refuse(faults.map(formatFinding));
  const warnings = [...ineffectiveSettings(spec), ...quicLbCautions(spec), ...notYetInEffect(spec)];
  return { ok: true, spec, warnings: warnings.map(formatFinding) };
}

/** A pod has no files of whoever wrote the spec. */
function keyFileRule({ routing }: QuicProxySpec): RuleFinding[] {
  return (routing.quicLB ?? []).flatMap(({ key }, index) => {
    if (key?.file === undefined) return [];
    const path = ["routing", "quicLB", index, "key", "file"];
    return [{ path, what: "names a file, and pods do not have it", allowed: "key.secretRef" }];
  });
}

/** A QuicProxy must not send traffic into a namespace in which its author may have no rights. */
function namespaceRule({ backends }: QuicProxySpec, own: string): RuleFinding[] {
  const namespace = backends.service?.namespace;
  if (namespace === undefined || namespace === own) return [];
  const what = `names namespace ${namespace}, but the QuicProxy is in ${own}`;
  return [{ path: ["backends", "service", "namespace"], what, allowed: `${own}, or no namespace` }];
}

function refuse(faults: readonly string[]): Parsed {
  return { ok: false, refusal: { reason: "InvalidSpec", message: strung(faults, SHOWN_FAULTS_MAX) } };
}

function formatFinding({ path, what, allowed }: RuleFinding): string {
  return `${formatPath(path)}: ${what}; allowed: ${allowed}`;
}

function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) => text + (typeof part === "number" ? `[${part}]` : `.${String(part)}`),
    "spec",
  );
}
