import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { classSpecShape } from "../../../crds/class_schema.ts";
import { classFaults } from "../../../crds/rules_class.ts";
import { specShape } from "../../../crds/schema.ts";

const BASE = { listeners: [{ port: 443 }], backends: { service: { name: "server", port: 443 } } };

/** `path: what; allowed` of each fault of a QuicProxy in namespace media. */
function faults(spec: object, allowed: object = {}): string[] {
  const found = classFaults(specShape.parse({ ...BASE, ...spec }), classSpecShape.parse(allowed), "media");
  return found.map(({ path, what, allowed: instead }) => `${path.join(".")}: ${what}; ${instead}`);
}

const tolerations = (...list: object[]): object => ({ nodes: { tolerations: list } });

describe("a class that says nothing", () => {
  it("allows what the README shows", () => {
    expect(faults({})).toEqual([]);
  });

  it("is a fence all the same, which names each field at once", () => {
    const greedy = {
      listeners: [{ port: 443 }, { port: 53 }, { port: 80 }],
      metrics: { port: 80 },
      ...tolerations({ key: "node-role.kubernetes.io/control-plane", operator: "Exists" }, { operator: "Exists" }),
      dataPlane: { flowMemory: "2Gi", receiveBuffer: "65Mi", sendBuffer: "1Gi", workers: { max: 64 } },
      resources: { requests: { cpu: "5" }, limits: { cpu: "4001m", memory: "5Gi" } },
      tuning: { mode: "Apply" },
    };
    expect(faults(greedy)).toEqual([
      "listeners.1.port: is 53; 443, 1024-65535",
      "listeners.2.port: is 80; 443, 1024-65535",
      "metrics.port: is 80; 1024-65535",
      "nodes.tolerations.0: tolerates node-role.kubernetes.io/control-plane; none",
      "nodes.tolerations.1: tolerates every taint; none",
      "dataPlane.workers.max: is 64; at most 16",
      "dataPlane.flowMemory: is 2Gi; at most 1Gi",
      "dataPlane.receiveBuffer: is 65Mi; at most 64Mi",
      "dataPlane.sendBuffer: is 1Gi; at most 64Mi",
      "resources.requests.cpu: is 5; at most 4",
      "resources.limits.cpu: is 4001m; at most 4",
      "resources.limits.memory: is 5Gi; at most 4Gi",
      "tuning.mode: is Apply, which changes nodes; Observe",
    ]);
  });

  it.each([
    ["metrics that are off", { metrics: { port: 0 } }],
    ["tuning that only looks", { tuning: { mode: "Observe" } }],
    ["a number of nodes", { scaling: { nodes: 2 }, autoscaling: { maxNodes: 3 } }],
    ["sizes at the bound, in other words", { dataPlane: { flowMemory: "1024Mi", workers: { max: 16 } } }],
    ["resources at the bound", { resources: { requests: { cpu: "4000m" }, limits: { memory: "4096Mi" } } }],
    ["any labels of nodes", { nodes: { selector: { edge: "" } } }],
  ])("allows %s", (_, spec) => {
    expect(faults(spec)).toEqual([]);
  });
});

describe("ports", () => {
  it("may be none at all", () => {
    expect(faults({}, { listenerPorts: [] })).toEqual(["listeners.0.port: is 443; none"]);
  });
});

describe("labels of nodes", () => {
  it("must not contradict those of the class", () => {
    const allowed = { nodeSelector: { pool: "edge", zone: "a" } };
    expect(faults({ nodes: { selector: { pool: "edge", other: "x" } } }, allowed)).toEqual([]);
    expect(faults({ nodes: { selector: { pool: "db" } } }, allowed)).toEqual([
      'nodes.selector.pool: is "db"; "edge", or no pool',
    ]);
  });
});

describe("a toleration", () => {
  const edge = { key: "edge", operator: "Equal", value: "yes", effect: "NoSchedule" };

  it.each([
    ["itself", edge, edge, true],
    ["one of any value", edge, { key: "edge", operator: "Exists" }, true],
    ["one of every key", edge, { operator: "Exists" }, true],
    ["one of every key, of its effect", edge, { operator: "Exists", effect: "NoSchedule" }, true],
    ["one of every key, of another effect", edge, { operator: "Exists", effect: "NoExecute" }, false],
    ["one of another value", edge, { ...edge, value: "no" }, false],
    ["one of another key", edge, { ...edge, key: "db" }, false],
    ["one of a single value, where it takes any", { key: "edge", operator: "Exists" }, edge, false],
    ["one of a single effect, where it takes all", { key: "edge", value: "yes" }, edge, false],
    ["one of a key, where it takes every key", { operator: "Exists" }, { key: "edge", operator: "Exists" }, false],
  ])("is within %s, or is not: %j, %j: %j", (_, asked, allowed, isWithin) => {
    expect(faults(tolerations(asked), { tolerations: [allowed] })).toHaveLength(isWithin ? 0 : 1);
  });
});

describe("a class of some namespaces", () => {
  it("is not for others", () => {
    expect(faults({}, { namespaces: ["media", "edge"] })).toEqual([]);
    expect(faults({}, { namespaces: ["infra"] })).toEqual([
      "className: names a class that is not for namespace media; another class, or namespace infra",
    ]);
  });
});

describe("how many nodes", () => {
  it("is not for QuicProxies to say where the class refuses scaling", () => {
    expect(faults({ scaling: { nodes: 1 }, autoscaling: { maxNodes: 2 } }, { scaling: "Refused" })).toEqual([
      "scaling.nodes: is set; no scaling",
      "autoscaling: is set; no autoscaling",
    ]);
  });
});

describe("examples/class.yaml", () => {
  it("holds a class and a QuicProxy that it allows", () => {
    const text = readFileSync(new URL("../../../examples/class.yaml", import.meta.url), "utf8");
    const [allowed, asked] = parseAllDocuments(text).map((document) => document.toJS() as { spec: object });
    const parsed = classSpecShape.parse(allowed?.spec);
    expect(Object.keys(parsed)).toEqual(expect.arrayContaining(Object.keys(allowed?.spec ?? {})));
    expect(classFaults(specShape.parse(asked?.spec), parsed, "media")).toEqual([]);
  });
});
