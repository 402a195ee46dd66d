import { expect, it } from "vitest";
import { tolerationRules } from "../../../crds/rules_nodes.ts";

it.each([
  [{ operator: "Exists" }, undefined],
  [{ operator: "Exists", effect: "NoExecute" }, undefined],
  [{ key: "a" }, undefined],
  [{ key: "a", operator: "Equal", value: "b" }, undefined],
  [{ key: "a", operator: "Exists", value: "" }, undefined],
  [{}, "has no key, which means every key"],
  [{ value: "b", effect: "NoSchedule" }, "has no key, which means every key"],
  [{ operator: "Equal" }, "has no key, which means every key"],
  [{ key: "a", operator: "Exists", value: "b" }, "names the value b, and operator Exists takes any"],
  [{ key: undefined }, undefined],
  [{ operator: undefined }, undefined],
  [undefined, undefined],
] as const)("of a toleration %o is said: %s", (toleration, what) => {
  const findings = tolerationRules({ nodes: { tolerations: [toleration] } });
  expect(findings.map((finding) => finding.what)).toEqual(what === undefined ? [] : [what]);
});
