import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { chart, type Helm, helm, helms } from "./helm.ts";

interface Schema {
  type?: string;
  description?: string;
  properties?: Record<string, Schema>;
  additionalProperties?: unknown;
}

const read = (name: string): string => readFileSync(resolve(chart, name), "utf8");
const schema = JSON.parse(read("values.schema.json")) as Schema & { definitions: Record<string, Schema> };
const defaults = parse(read("values.yaml")) as Record<string, unknown>;

/** Every value by its path, with the schema that says what it is. */
function leaves({ properties = {} }: Schema, path = ""): [path: string, schema: Schema][] {
  return Object.entries(properties).flatMap(([name, child]) => {
    const at = path === "" ? name : `${path}.${name}`;
    return child.properties === undefined || path !== "" ? [[at, child] as [string, Schema]] : leaves(child, at);
  });
}

const at = (path: string): unknown =>
  path.split(".").reduce((value: unknown, name) => (value as Record<string, unknown> | undefined)?.[name], defaults);

describe("values.schema.json", () => {
  const values = leaves(schema).filter(([path]) => path !== "global");

  test("knows every default, and every value has one", () => {
    expect(values.filter(([path]) => at(path) === undefined).map(([path]) => path)).toEqual([]);
    const known = new Set(values.map(([path]) => path));
    const given = Object.entries(defaults).flatMap(([name, value]) => {
      const isGroup = typeof value === "object" && value !== null && !Array.isArray(value);
      return isGroup ? Object.keys(value).map((key) => `${name}.${key}`) : [name];
    });
    expect(given.filter((path) => !known.has(path))).toEqual([]);
  });

  test("says what every value is for", () => {
    expect(values.filter(([, { description }]) => !description).map(([path]) => path)).toEqual([]);
  });

  test("refuses what it does not know, at every level", () => {
    const open = (name: string, { properties, additionalProperties }: Schema): string[] =>
      properties === undefined
        ? []
        : [
            ...(additionalProperties === false ? [] : [name]),
            ...Object.entries(properties).flatMap(([key, child]) => open(`${name}.${key}`, child)),
          ];
    expect([...open("", schema), ...Object.entries(schema.definitions).flatMap(([n, s]) => open(n, s))]).toEqual([]);
  });

  test("and the README agree", () => {
    const rows = new Map(
      [...read("README.md").matchAll(/^\| `(\S+)` \| `(.*?)` \| (.*) \|$/gm)].map(([, a, b, c]) => [a, [b, c]]),
    );
    const expected = values.map(([path, { description }]) => [path, [JSON.stringify(at(path)), description]]);
    expect([...rows]).toEqual(expected);
  });
});

describe.each(Object.keys(helms) as Helm[])("%s refuses", (version) => {
  test.each([
    ["a misspelled group", { operater: { replicas: 1 } }, /operater/],
    ["a misspelled value", { operator: { replica: 1 } }, /replica/],
    ["a text for a number", { operator: { replicas: "two" } }, /replicas/],
    ["too many replicas", { operator: { replicas: 100 } }, /replicas/],
    ["a capability in place of a level", { proxy: { capabilities: "SYS_ADMIN" } }, /capabilities/],
    ["a tag in the repository", { image: { repository: "registry.example/quicproxy:1.0" } }, /repository/],
    ["a digest that is none", { image: { digest: "sha256:0123" } }, /digest/],
    ["an unknown pull policy", { image: { pullPolicy: "Sometimes" } }, /pullPolicy/],
    ["pull secrets as in a pod", { image: { pullSecrets: [{ name: "pull" }] } }, /pullSecrets/],
    ["a namespace that can be none", { operator: { watchNamespace: "Media_1" } }, /watchNamespace/],
    ["a privileged port", { operator: { metricsPort: 80 } }, /metricsPort/],
    ["an unknown log level", { operator: { logLevel: "verbose" } }, /logLevel/],
    ["a limit that is no quantity", { operator: { resources: { limits: { memory: "lots" } } } }, /memory/],
    ["an unknown key of resources", { operator: { resources: { request: {} } } }, /request/],
    ["an unknown key of a toleration", { operator: { tolerations: [{ keys: "a" }] } }, /keys/],
    ["no where false is meant", { crds: { keep: "no" } }, /keep/],
    ["an interval without a unit", { serviceMonitor: { interval: "30" } }, /interval/],
  ])("%s", (_, values, named) => {
    const { status, said } = helm(version, ["template", "quicproxy", chart], values);
    expect(status).not.toBe(0);
    expect(said).toMatch(named);
  });
});
