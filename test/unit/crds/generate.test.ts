import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type KindDefinition, kindDefinitions } from "../../../crds/definitions.ts";
import { renderAll } from "../../../crds/generate.ts";
import { type StructuralSchema, toStructural } from "../../../crds/structural.ts";

const ROOT = new URL("../../../", import.meta.url);

function walk(schema: StructuralSchema, path: string): [path: string, schema: StructuralSchema][] {
  const properties = Object.entries(schema.properties ?? {});
  const children = properties.flatMap(([key, child]) => walk(child, `${path}.${key}`));
  return [[path, schema], ...children, ...(schema.items ? walk(schema.items, `${path}[]`) : [])];
}

describe.each(Object.entries(renderAll()))("%s", (path, text) => {
  it("is what `make generate` writes", () => {
    expect(readFileSync(new URL(path, ROOT), "utf8")).toBe(text);
  });
});

describe.each(kindDefinitions())("the schema of $kind", ({ schema }: KindDefinition) => {
  const fields = walk(schema, "").filter(([path]) => path !== "" && !path.startsWith(".metadata"));

  it("describes every field", () => {
    const bare = fields.filter(([path, { description }]) => !path.endsWith("[]") && !description);
    expect(bare.map(([path]) => path)).toEqual([]);
  });

  it("bounds every list, text and number", () => {
    const unbounded = fields.filter(([path, field]) => {
      if (path === ".apiVersion" || path === ".kind") return false;
      if (field.type === "array") return field.maxItems === undefined;
      if (field.type === "integer") return field.minimum === undefined || field.maximum === undefined;
      return field.type === "string" && field.enum === undefined && field.maxLength === undefined;
    });
    expect(unbounded.map(([path]) => path)).toEqual([]);
  });

  it("has only patterns that RE2 reads", () => {
    expect(fields.filter(([, { pattern }]) => pattern?.includes("(?")).map(([path]) => path)).toEqual([]);
  });

  it("gives every key of a list of maps a value", () => {
    for (const [path, field] of fields) {
      const missing = (field["x-kubernetes-list-map-keys"] ?? []).filter(
        (key) => !field.items?.required?.includes(key),
      );
      expect(missing, path).toEqual([]);
    }
  });
});

describe("toStructural", () => {
  it("refuses a union, which no structural schema can say", () => {
    expect(() => toStructural(z.object({ port: z.union([z.int(), z.string()]) }))).toThrow(
      ".port: a structural schema",
    );
  });

  it("says without look-ahead that a duration is not empty", () => {
    const converted = toStructural(z.string().regex(/^(?=[0-9])([0-9]+s)?$/));
    expect(converted).toEqual({ type: "string", pattern: "^([0-9]+s)?$", minLength: 1 });
  });
});
