import { z } from "zod";

/** A CRD's schema of one value, as far as ours go: OpenAPI 3.0, structural, with the extensions of Kubernetes. */
export interface StructuralSchema {
  /** Absent where a whole number or a text may stand. */
  type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  description?: string;
  default?: unknown;
  enum?: unknown[];
  format?: string;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  items?: StructuralSchema;
  properties?: Record<string, StructuralSchema>;
  required?: string[];
  maxProperties?: number;
  additionalProperties?: StructuralSchema;
  "x-kubernetes-validations"?: { rule: string; message: string; optionalOldSelf?: boolean }[];
  "x-kubernetes-list-type"?: "map" | "set" | "atomic";
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-preserve-unknown-fields"?: true;
  "x-kubernetes-int-or-string"?: true;
}

/** Everything of JSON Schema that a structural schema may hold, in the order in which it is written. */
const KEPT = [
  "description",
  "type",
  "format",
  "enum",
  "default",
  "pattern",
  "minLength",
  "maxLength",
  "minimum",
  "maximum",
  "minItems",
  "maxItems",
  "maxProperties",
  "x-kubernetes-list-type",
  "x-kubernetes-list-map-keys",
  "x-kubernetes-validations",
  "x-kubernetes-int-or-string",
] as const;

/** What zod writes and the API server must not see; the rest it does not know either is an error here. */
const DROPPED = new Set(["propertyNames", "properties", "required", "items", "additionalProperties"]);

const INT_OR_STRING = "x-kubernetes-int-or-string";
/** The API server's regular expressions (RE2) know no look-ahead; ours says "not empty", and a length says it too. */
const NOT_EMPTY = "(?=[0-9])";

/**
 * A shape -> the structural schema of a CRD (KEP-2335).
 * @throws Error for what a structural schema cannot say, such as a union.
 */
export function toStructural(shape: z.core.$ZodType): StructuralSchema {
  return convert(z.toJSONSchema(shape, { target: "openapi-3.0", io: "input" }) as Record<string, unknown>, "");
}

function convert(given: Record<string, unknown>, path: string): StructuralSchema {
  const schema = given[INT_OR_STRING] === true ? intOrString(given) : given;
  for (const key of Object.keys(schema)) {
    if (!DROPPED.has(key) && !(KEPT as readonly string[]).includes(key)) {
      throw new Error(`${path || "the root"}: a structural schema has no ${key}`);
    }
  }
  const kept = Object.fromEntries(KEPT.filter((key) => schema[key] !== undefined).map((key) => [key, schema[key]]));
  const structural = { ...patternOf(kept), ...integerFormat(kept), ...childrenOf(schema, path) } as StructuralSchema;
  return structural.type === "object" && structural.default !== undefined ? withWholeDefault(structural) : structural;
}

/** The one union that a structural schema can say; the limits of each side hold for values of its type only. */
function intOrString({ anyOf, ...rest }: Record<string, unknown>): Record<string, unknown> {
  const sides = (anyOf as Record<string, unknown>[]).map(({ type: _, ...limits }) => limits);
  return Object.assign({}, ...sides, rest);
}

/** The API server holds a default against the rules as it stands, before the defaults of what is in it. */
function withWholeDefault(schema: StructuralSchema): StructuralSchema {
  const entries = Object.entries(schema.properties ?? {}).filter(([, child]) => child.default !== undefined);
  const inner = Object.fromEntries(entries.map(([key, child]) => [key, child.default]));
  return { ...schema, default: { ...inner, ...(schema.default as object) } };
}

function patternOf(schema: Record<string, unknown>): Record<string, unknown> {
  const { pattern } = schema;
  if (typeof pattern !== "string" || !pattern.includes(NOT_EMPTY)) return schema;
  return { ...schema, pattern: pattern.replace(NOT_EMPTY, ""), minLength: 1 };
}

/** Without a format, a whole number of more than 32 bits may lose its last digits on the way. */
function integerFormat({ type }: Record<string, unknown>): { format?: string } {
  return type === "integer" ? { format: "int64" } : {};
}

function childrenOf(schema: Record<string, unknown>, path: string): Partial<StructuralSchema> {
  const { properties, items, required, additionalProperties } = schema as {
    properties?: Record<string, Record<string, unknown>>;
    items?: Record<string, unknown>;
    required?: string[];
    additionalProperties?: Record<string, unknown>;
  };
  const children: Partial<StructuralSchema> = {};
  if (items !== undefined) children.items = convert(items, `${path}[]`);
  if (properties !== undefined) {
    const entries = Object.entries(properties).map(([key, child]) => [key, convert(child, `${path}.${key}`)]);
    children.properties = Object.fromEntries(entries);
  }
  if (required !== undefined && required.length > 0) children.required = required;
  if (additionalProperties === undefined) return children;
  if (Object.keys(additionalProperties).length === 0) children["x-kubernetes-preserve-unknown-fields"] = true;
  else if (properties === undefined) children.additionalProperties = convert(additionalProperties, `${path}.*`);
  return children;
}
