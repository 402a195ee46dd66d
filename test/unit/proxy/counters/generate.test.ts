import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { renderAll, renderMetricsReference } from "../../../../proxy/counters/generate.ts";
import { BACKEND_CELLS, COUNTERS, GAUGES } from "../../../../proxy/counters/names.generated.ts";
import { parseCounterDefinitions, parseEnum } from "../../../../proxy/counters/parse_def.ts";
import { ALL_DEFINITIONS, BACKEND_METRICS, WORKER_GAUGES } from "../../../../proxy/metrics/definitions.ts";

const ROOT = new URL("../../../../", import.meta.url);

describe("generated files", () => {
  it.each(Object.entries(renderAll()))("%s is up to date (else: make generate)", (path, text) => {
    expect(readFileSync(new URL(path, ROOT), "utf8")).toBe(text);
  });

  it("define every gauge and backend cell as a metric, and no other", () => {
    expect(Object.keys(WORKER_GAUGES)).toEqual([...GAUGES]);
    expect(Object.keys(BACKEND_METRICS)).toEqual([...BACKEND_CELLS]);
  });

  it("use each metric name once", () => {
    const names = [
      ...COUNTERS.map(({ name }) => `quicproxy_${name}_total`),
      ...ALL_DEFINITIONS.map(({ name }) => name),
    ];
    expect(new Set(names).size).toBe(names.length);
  });
});

describe("parseCounterDefinitions", () => {
  it("keeps the order of the file, which is the order in memory", () => {
    const text = '// why\nQP_COUNTER(a, x, Entry, "X (1)")\n\nQP_COUNTER(b, y_z, Outcome, "Y, z")\n';
    expect(parseCounterDefinitions(text)).toEqual([
      { name: "a_x", stage: "a", outcome: "x", kind: "Entry", help: "X (1)" },
      { name: "b_y_z", stage: "b", outcome: "y_z", kind: "Outcome", help: "Y, z" },
    ]);
    expect(renderMetricsReference(text)).toMatch(/\| `quicproxy_b_y_z_total` +\| Outcome +\| Y, z +\|/);
  });

  it.each([
    'QP_COUNTER(a, x, Sum, "X")',
    "QP_COUNTER(a, x,",
    'QP_COUNTER(a, x, Entry, "X") // later',
  ])("refuses to skip a line it cannot read: %s", (line) => {
    expect(() => parseCounterDefinitions(`${line}\n`)).toThrow("counters.def:1");
  });

  it("reads the members of an enum without their comments", () => {
    const header = "enum class Gauge : uint8_t {\n  kAbC,  ///< not kThis\n  kD,\n  kCount,\n};";
    expect(parseEnum(header, "Gauge")).toEqual(["abC", "d"]);
    expect(() => parseEnum(header, "Other")).toThrow("no enum class Other");
  });
});
