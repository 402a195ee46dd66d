import type { RuleFinding } from "../../crds/rule_finding.ts";
import { classFaults } from "../../crds/rules_class.ts";
import type { QuicProxySpec } from "../../crds/schema.ts";
import { strung } from "../listing.ts";
import { formatFinding, parseProxy, type Refusal } from "../parse.ts";
import type { ObservedProxy, World } from "../world.ts";
import { chooseClass } from "./classes.ts";
import { fenceOf } from "./destinations.ts";
import { grantFaults } from "./grants.ts";
import { resourceFaults, resourceNotes } from "./resources.ts";
import { type Terms, termsOf } from "./terms.ts";

/** What is to be said of the present spec of a QuicProxy, before it is held against others. */
export type Judged =
  | { readonly ok: true; readonly spec: QuicProxySpec; readonly terms: Terms; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly refusal: Refusal };

const SHOWN_FAULTS_MAX = 20;

interface Fault {
  readonly reason: string;
  readonly message: string;
}

/** The spec and what its class makes of it, or every fault of it at once; the gravest gives the reason. Pure. */
export function judgeSpec(world: World, proxy: ObservedProxy): Judged {
  const { spec, faults: invalid, warnings } = parseProxy(proxy);
  const faults: Fault[] = invalid.map((message) => ({ reason: "InvalidSpec", message }));
  if (spec === undefined) return refuse(faults);
  const { found, refusal, warnings: classWarnings } = chooseClass(world, spec.className);
  if (refusal !== undefined) faults.push(refusal);
  if (found !== undefined) {
    const terms = termsOf(found);
    faults.push(...resourceFaults(spec, terms).map((finding) => fault("InvalidSpec", finding)));
    const beyond = [...classFaults(spec, found.spec, proxy.namespace), ...destinationFaults(world, proxy, spec, terms)];
    faults.push(...beyond.map((finding) => ({ reason: "NotAllowedByClass", message: byClass(finding, found.name) })));
  }
  faults.push(...grantFaults(world, proxy, spec).map((finding) => fault("RefNotPermitted", finding)));
  if (found === undefined || faults.length > 0) return refuse(faults, found?.name);
  const terms = termsOf(found);
  const notes = resourceNotes(spec, terms).map(formatFinding);
  return { ok: true, spec, terms, warnings: [...warnings, ...classWarnings, ...notes] };
}

/** Each address that a spec names and its class does not let it send to. */
function destinationFaults(world: World, proxy: ObservedProxy, spec: QuicProxySpec, terms: Terms): RuleFinding[] {
  const fence = fenceOf(world, terms);
  const pods = world.podAddresses(proxy.namespace);
  return (spec.backends.static ?? []).flatMap(({ address }, index) => {
    const what = fence.fault(address, (text) => pods.has(text));
    if (what === undefined) return [];
    const allowed = `addresses of pods of ${proxy.namespace} that an EndpointSlice there names, and destinations.cidrs`;
    return [{ path: ["backends", "static", index, "address"], what, allowed }];
  });
}

function fault(reason: string, finding: RuleFinding): Fault {
  return { reason, message: formatFinding(finding) };
}

function byClass(finding: RuleFinding, className: string): string {
  return formatFinding(finding).replace("; allowed: ", `; allowed by QuicProxyClass ${className}: `);
}

function refuse(faults: readonly Fault[], className?: string): Judged {
  const messages = faults.map(({ message }) => message);
  const isBeyondClass = faults.some(({ reason }) => reason === "NotAllowedByClass");
  const remedy = isBeyondClass
    ? `; ask who administers QuicProxyClass ${className} for more, or name another class`
    : "";
  return { ok: false, refusal: { reason: faults[0]!.reason, message: strung(messages, SHOWN_FAULTS_MAX) + remedy } };
}
