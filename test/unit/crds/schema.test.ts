import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { quicProxyShape } from "../../../crds/schema.ts";
import { toStructural } from "../../../crds/structural.ts";

interface JsonSchema {
  type?: string;
  description?: string;
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  additionalProperties?: JsonSchema;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  maxItems?: number;
  enum?: unknown[];
  "x-kubernetes-int-or-string"?: boolean;
}

const exported = z.toJSONSchema(quicProxyShape, { target: "openapi-3.0", io: "input" }) as JsonSchema;

/** Every schema of the tree with its path, the root left out. */
function walk(schema: JsonSchema, path: string): [path: string, schema: JsonSchema][] {
  const children = Object.entries(schema.properties ?? {}).map(([key, child]): [string, JsonSchema] => [
    `${path}.${key}`,
    child,
  ]);
  if (schema.items) children.push([`${path}[]`, schema.items]);
  return children.flatMap(
    ([childPath, child]) => [[childPath, child], ...walk(child, childPath)] as [string, JsonSchema][],
  );
}

const fields = walk(exported, "");

describe("the shape as a CRD schema", () => {
  it("has a description at every key", () => {
    expect(
      fields.filter(([path, { description }]) => !path.endsWith("[]") && !description).map(([path]) => path),
    ).toEqual([]);
  });

  it("has one type at every place and nothing that a structural schema forbids", () => {
    expect(
      fields
        .filter(([, { type, "x-kubernetes-int-or-string": either }]) => type === undefined && either !== true)
        .map(([path]) => path),
    ).toEqual([]);
    expect(JSON.stringify(toStructural(quicProxyShape))).not.toMatch(/"(anyOf|oneOf|allOf|not|propertyNames|\$ref)":/);
  });

  it("bounds every number, list and text", () => {
    const unbounded = fields.filter(([, schema]) => {
      if (schema.type === "integer") return schema.minimum === undefined || schema.maximum === undefined;
      if (schema.type === "array") return schema.maxItems === undefined;
      return schema.type === "string" && schema.enum === undefined && schema.maxLength === undefined;
    });
    expect(unbounded.map(([path]) => path)).toEqual([]);
  });

  it("bounds what the native side bounds, to the same numbers", () => {
    const header = readFileSync(new URL("../../../native/abi/contract.h", import.meta.url), "utf8");
    const limit = (name: string): number => Number(new RegExp(`${name} = (\\d+);`).exec(header)?.[1]);
    const field = Object.fromEntries(fields);
    expect(field[".spec.dataPlane.workers.max"]?.maximum).toBe(limit("kMaxWorkers"));
    expect(field[".spec.dataPlane.batch"]?.maximum).toBe(limit("kMaxBatch"));
    expect(field[".spec.backends.static"]?.maxItems).toBe(limit("kMaxBackends"));
    expect(field[".spec.listeners"]?.maxItems).toBe(limit("kMaxEndpoints") / 2);
  });

  it("takes its own defaults", () => {
    const spec = {
      listeners: [{ port: 1 }],
      backends: { static: [{ address: "10.0.0.1", port: 1 }] },
      tuning: {},
      autoscaling: { maxNodes: 1 },
    };
    const manifest = { apiVersion: "quicproxy.io/v1alpha1", kind: "QuicProxy", metadata: { name: "a" }, spec };
    const parsed = quicProxyShape.parse(manifest);
    expect(quicProxyShape.parse(parsed)).toEqual(parsed);
    expect(parsed.spec.tuning).toEqual({ mode: "Observe", rps: "Auto", rfs: "Auto", rss: "Auto", noTrack: false });
    expect(parsed.spec.autoscaling).toMatchObject({
      minNodes: 1,
      target: { dropRatio: "1e-5" },
      scaleDownStabilization: "10m",
    });
  });
});
