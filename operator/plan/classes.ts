import type { Refusal } from "../parse.ts";
import type { ObservedClass, World } from "../world.ts";
import type { NamedClass } from "./terms.ts";

/** The class of a QuicProxy, or why it has none. */
export interface ClassChoice {
  readonly found: NamedClass | undefined;
  readonly refusal: Refusal | undefined;
  /** What whoever wrote the QuicProxy should know of the choice. */
  readonly warnings: readonly string[];
}

const REASON = "ClassNotFound";
const ASK = "ask who administers the cluster";

/**
 * The class that a spec names; where it names none the default class, of several the newest, as with StorageClasses. It is
 * looked up anew each time and never written into the spec: whoever takes the name away has the default again.
 */
export function chooseClass({ classes }: Pick<World, "classes">, className: string | undefined): ClassChoice {
  if (className !== undefined) {
    const named = classes.find(({ name }) => name === className);
    return named === undefined ? refused(notFound(className, classes)) : chosen(named, []);
  }
  const [newest, ...others] = classes.filter(({ isDefault }) => isDefault).sort(newestFirst);
  if (newest === undefined) return refused(noDefault(classes));
  const names = others.map(({ name }) => name).join(", ");
  const warning = `QuicProxyClasses ${newest.name}, ${names} are all marked as the default; the newest, ${newest.name}, is it`;
  return chosen(newest, others.length === 0 ? [] : [warning]);
}

function chosen({ name, spec, fault }: ObservedClass, warnings: readonly string[]): ClassChoice {
  if (spec !== undefined) return { found: { name, spec }, refusal: undefined, warnings };
  return refused(`QuicProxyClass ${name} is not one that this operator reads: ${fault}; ${ASK} to correct it`);
}

function refused(message: string): ClassChoice {
  return { found: undefined, refusal: { reason: REASON, message }, warnings: [] };
}

function notFound(className: string, classes: readonly ObservedClass[]): string {
  return (
    `spec.className: there is no QuicProxyClass ${className}; allowed: ${namesOf(classes)}, or none for the default class; ` +
    `see: kubectl get quicproxyclasses`
  );
}

function noDefault(classes: readonly ObservedClass[]): string {
  return (
    `spec.className is not set, and no QuicProxyClass is marked as the default by the annotation ` +
    `quicproxy.io/is-default-class: "true"; allowed: ${namesOf(classes)}; set it, or ${ASK} for a default class`
  );
}

function namesOf(classes: readonly ObservedClass[]): string {
  const names = classes.map(({ name }) => name).sort();
  return names.length === 0 ? "none, since there is no QuicProxyClass at all" : names.join(", ");
}

/** Creation times have whole seconds; the name decides between two of the same, as with StorageClasses. */
function newestFirst(a: ObservedClass, b: ObservedClass): number {
  if (a.createdAt !== b.createdAt) return a.createdAt > b.createdAt ? -1 : 1;
  return a.name < b.name ? -1 : 1;
}
