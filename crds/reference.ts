import { GROUP, type KindDefinition, VERSION } from "./definitions.ts";
import type { StructuralSchema } from "./structural.ts";

interface Row {
  readonly path: string;
  readonly type: string;
  readonly fallback: string;
  readonly text: string;
}

/** The text of docs/reference/quicproxy.md: every field of every kind, with type, default, limits and rules. */
export function renderReference(kinds: readonly KindDefinition[], notice: string): string {
  return [
    `# ${GROUP}/${VERSION}`,
    "",
    `<!-- ${notice} -->`,
    "",
    "In the column *default*, **required** marks a field that has to be there. `[]` after a name is one entry of a list.",
    "",
    ...kinds.flatMap(renderKind),
  ].join("\n");
}

function renderKind({ kind, plural, about, schema }: KindDefinition): string[] {
  const { spec, status } = schema.properties ?? {};
  return [
    `## ${kind}`,
    "",
    `${about} \`kubectl get ${plural}\`, \`kubectl explain ${kind.toLowerCase()}.spec\`.`,
    "",
    ...renderPart("spec", spec),
    ...renderRules("spec", spec),
    ...renderPart("status", status),
  ];
}

function renderPart(name: string, schema: StructuralSchema | undefined): string[] {
  const rows = schema === undefined ? [] : fieldRows(schema, name);
  const lines = rows.map(({ path, type, fallback, text }) => `| \`${path}\` | ${type} | ${fallback} | ${text} |`);
  return [`### ${name}`, "", "| field | type | default | meaning |", "| --- | --- | --- | --- |", ...lines, ""];
}

function fieldRows(schema: StructuralSchema, path: string): Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, child]) => {
    const childPath = `${path}.${key}`;
    const isRequired = schema.required?.includes(key) === true;
    const row = {
      path: childPath,
      type: typeText(child),
      fallback: isRequired ? "**required**" : defaultText(child),
      text: cell(child.description ?? ""),
    };
    return [row, ...fieldRows(child, childPath), ...(child.items ? fieldRows(child.items, `${childPath}[]`) : [])];
  });
}

function typeText(schema: StructuralSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((word) => `\`${word}\``).join(", ");
  if (schema.type === "array") return `list of ${schema.items?.type ?? "anything"}`;
  if (schema.additionalProperties !== undefined) return "texts by key";
  return schema.type ?? "integer or string";
}

function defaultText({ default: value, type }: StructuralSchema): string {
  if (value === undefined || type === "object") return "";
  return `\`${JSON.stringify(value)}\``;
}

function renderRules(name: string, schema: StructuralSchema | undefined): string[] {
  const rules = schema === undefined ? [] : crossFieldRules(schema, name);
  const lines = rules.map(([path, message]) => `- \`${path}\`: ${cell(message)}`);
  return ["Rules over more than one field, checked by the API server:", "", ...lines, ""];
}

/** The rules of objects and lists; those of single values repeat what the field's text says. */
function crossFieldRules(schema: StructuralSchema, path: string): [path: string, message: string][] {
  const isWhole = schema.type === "object" || schema.type === "array";
  const own = isWhole ? (schema["x-kubernetes-validations"] ?? []) : [];
  const keys = schema["x-kubernetes-list-map-keys"];
  const unique: [string, string][] = keys === undefined ? [] : [[path, `each ${keys.join(" and ")} once`]];
  const children = Object.entries(schema.properties ?? {}).flatMap(([key, child]) =>
    crossFieldRules(child, `${path}.${key}`),
  );
  const items = schema.items === undefined ? [] : crossFieldRules(schema.items, `${path}[]`);
  return [...own.map(({ message }): [string, string] => [path, message]), ...unique, ...children, ...items];
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ").replaceAll("<", "&lt;");
}
