import { describe, expect, it } from "vitest";
import { formatFault, formatPath, quote } from "../../../../proxy/manifest/fault.ts";
import { nearest } from "../../../../proxy/manifest/nearest.ts";

describe("formatPath", () => {
  it.each([
    [[], ""],
    [["spec", "listeners", 0, "port"], "spec.listeners[0].port"],
    [["metadata", "labels", "a.b/c"], 'metadata.labels["a.b/c"]'],
    [["1"], '["1"]'],
  ])("%j", (path, text) => {
    expect(formatPath(path)).toBe(text);
  });
});

describe("formatFault", () => {
  const fault = { file: "edge.yaml", path: "spec.metrics", line: 3, column: 5, what: "is empty", allowed: "a mapping" };

  it.each([
    [fault, "edge.yaml:3:5: spec.metrics: is empty; allowed: a mapping"],
    [{ ...fault, suggestion: "x" }, "edge.yaml:3:5: spec.metrics: is empty; allowed: a mapping; did you mean `x`?"],
    [{ ...fault, path: "", line: 0, column: 0 }, "edge.yaml: is empty; allowed: a mapping"],
  ])("%#", (value, text) => {
    expect(formatFault(value)).toBe(text);
  });
});

describe("quote", () => {
  it("shortens", () => {
    expect(quote("x".repeat(61))).toBe(`"${"x".repeat(60)}…"`);
    expect(quote("x".repeat(60))).toBe(`"${"x".repeat(60)}"`);
  });

  it("leaves a terminal nothing to obey", () => {
    expect(quote('\u001b[31m\u009b2J\u202e\u007f\n"')).toBe('"\\u001b[31m\\u009b2J\\u202e\\u007f\\n\\""');
  });
});

describe("nearest", () => {
  const names = ["port", "address", "receiveBuffer", "min", "max"];

  it.each([
    ["prot", "port"],
    ["Port", "port"],
    ["adress", "address"],
    ["receive_bufer", "receiveBuffer"],
    ["RECEIVE-BUFFER", "receiveBuffer"],
    ["mni", "min"],
    ["mid", "min"],
    ["banana", undefined],
    ["", undefined],
    ["x".repeat(1000), undefined],
  ])("%s -> %s", (text, meant) => {
    expect(nearest(text, names)).toBe(meant);
  });
});
