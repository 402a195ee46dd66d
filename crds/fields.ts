import { z } from "zod";
import { type AddressKind, addressKind, parseIpAddress } from "./ip_address.ts";
import { DURATION_PATTERN, durationMs, SIZE_PATTERN, sizeBytes } from "./quantities.ts";

/*
 * Field constructors. The error text of every check is the same sentence: what is allowed there. Whoever reports a fault
 * adds what was found, so a message never depends on which of the checks failed first.
 */

/** One rule for the API server in its own language (CEL), where a pattern cannot say what the check of a field says. */
export interface CelRule {
  readonly rule: string;
  readonly message: string;
}

/** Metadata under the name that a CRD schema gives it; the conversion to JSON Schema passes it through. */
export function validations(...rules: readonly CelRule[]): { "x-kubernetes-validations": readonly CelRule[] } {
  return { "x-kubernetes-validations": rules };
}

/** A whole number of a closed range. */
export function integer(min: number, max: number, allowed = `a whole number from ${min} to ${max}`) {
  return z.int({ error: allowed }).min(min, { error: allowed }).max(max, { error: allowed });
}

/** A UDP or TCP port. */
export function port() {
  return integer(1, 65_535, "a port number from 1 to 65535");
}

/** One of a few words. */
export function choice<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, { error: values.join(" or ") });
}

/** True or false. */
export function flag() {
  return z.boolean({ error: "true or false" });
}

/** A text that matches a pattern. */
export function text(pattern: RegExp, maxLength: number, allowed: string) {
  return z
    .string({ error: allowed })
    .max(maxLength, { error: allowed, abort: true })
    .regex(pattern, { error: allowed });
}

/** An amount of memory. Range in octets; the pattern cannot say it, so it is a check of its own. */
export function size(min: string, max: string) {
  const allowed = `a size from ${min} to ${max} in quotes or with a suffix Ki, Mi or Gi, such as 8Mi`;
  return z
    .string({ error: allowed })
    .max(20, { error: allowed, abort: true })
    .regex(SIZE_PATTERN, { error: allowed, abort: true })
    .refine((value) => within(sizeBytes(value), sizeBytes(min), sizeBytes(max)), { error: allowed })
    .meta(validations(celRange("quantity", { min, max, allowed })));
}

/** A time span. */
export function duration(min: string, max: string) {
  const allowed = `a duration from ${min} to ${max} with units h, m, s, ms, such as 120s or 1h30m`;
  return z
    .string({ error: allowed })
    .max(32, { error: allowed, abort: true })
    .regex(DURATION_PATTERN, { error: allowed, abort: true })
    .refine((value) => within(durationMs(value), durationMs(min), durationMs(max)), { error: allowed })
    .meta(validations(celRange("duration", { min, max, allowed })));
}

/** A whole number from 1 to `max`, or a percentage, as Kubernetes takes both in one field. */
export function countOrPercent(max: number) {
  const allowed = `a whole number from 1 to ${max}, or a percentage from "1%" to "100%"`;
  const percent = text(/^([1-9][0-9]?|100)%$/, 4, allowed);
  return z.union([integer(1, max, allowed), percent], { error: allowed }).meta({ "x-kubernetes-int-or-string": true });
}

/** An IP literal whose kind is one of `kinds`. */
export function ipAddress(kinds: readonly AddressKind[], allowed: string) {
  return z
    .string({ error: allowed })
    .max(45, { error: allowed, abort: true })
    .regex(/^[0-9A-Fa-f:.]+$/, { error: allowed, abort: true })
    .refine((value) => isAddressOf(value, kinds), { error: allowed })
    .meta(validations({ rule: celAddress(kinds), message: allowed }));
}

/** The name of a Kubernetes object that also fits into a label value. */
export function objectName(what: string) {
  const allowed = `${what}: up to 63 of a-z, 0-9 and "-", starting and ending with a letter or digit`;
  return text(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 63, allowed);
}

/** Labels, annotations, selectors: texts by key. */
export function textMap(maxValueLength: number) {
  const allowed = `texts by key, each value at most ${maxValueLength} characters (numbers and true/false in quotes)`;
  const value = z.string({ error: allowed }).max(maxValueLength, { error: allowed });
  return z.record(z.string().max(317), value, { error: allowed });
}

const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
const LABELS_MAX = 32;

/** A label selector: what a node with any other key or value could never have is a fault and not a selector of nothing. */
export function labelMap() {
  const allowed =
    `up to ${LABELS_MAX} labels: keys such as example.com/role, values of up to 63 of A-Z, a-z, 0-9, "-", "_" and "." ` +
    `that start and end with a letter or digit, or "" (numbers and true/false in quotes)`;
  const key = z.string().max(317, { error: allowed }).regex(LABEL_KEY, { error: allowed });
  const value = text(LABEL_VALUE, 63, allowed);
  const rule = { rule: `self.all(key, key.matches('${LABEL_KEY.source.replaceAll("\\/", "/")}'))`, message: allowed };
  return z
    .record(key, value, { error: allowed })
    .refine((labels) => Object.keys(labels).length <= LABELS_MAX, { error: allowed })
    .meta({ maxProperties: LABELS_MAX, ...validations(rule) });
}

/** A mapping with known keys. */
export function mapping<T extends z.core.$ZodLooseShape>(shape: T) {
  return z.object(shape, { error: `a mapping with the keys ${Object.keys(shape).join(", ")}` });
}

/** A list with bounded length. */
export function list<T extends z.core.SomeType>(element: T, min: number, max: number, what: string) {
  const allowed = `a list of ${min} to ${max} ${what}`;
  return z.array(element, { error: allowed }).min(min, { error: allowed }).max(max, { error: allowed });
}

interface Range {
  readonly min: string;
  readonly max: string;
  readonly allowed: string;
}

/** `self` between two literals of a CEL type that is made from a text. A text that is none of the type fails as well. */
function celRange(type: "quantity" | "duration", { min, max, allowed }: Range): CelRule {
  if (type === "duration") {
    return { rule: `duration(self) >= duration('${min}') && duration(self) <= duration('${max}')`, message: allowed };
  }
  const side = (limit: string, sign: string): string => `quantity(self).compareTo(quantity('${limit}')) ${sign} 0`;
  return { rule: `isQuantity(self) && ${side(min, ">=")} && ${side(max, "<=")}`, message: allowed };
}

/** CEL's own IP library takes neither zones nor IPv4-mapped addresses for an IP address. */
function celAddress(kinds: readonly AddressKind[]): string {
  const methods: Partial<Record<AddressKind, string>> = {
    unicast: "isGlobalUnicast",
    loopback: "isLoopback",
    unspecified: "isUnspecified",
  };
  const allowed = kinds.flatMap((kind) => (methods[kind] === undefined ? [] : `ip(self).${methods[kind]}()`));
  return `isIP(self) && (${allowed.join(" || ")})`;
}

function within(value: number | undefined, min = 0, max = Number.POSITIVE_INFINITY): boolean {
  return value !== undefined && value >= min && value <= max;
}

function isAddressOf(value: string, kinds: readonly AddressKind[]): boolean {
  const address = parseIpAddress(value);
  return address !== undefined && kinds.includes(addressKind(address));
}
