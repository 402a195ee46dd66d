import type { RuleFinding, SoundSpec } from "./rule_finding.ts";

/** What Kubernetes would refuse in the pods of the DaemonSet. */
export function tolerationRules({ nodes }: SoundSpec): RuleFinding[] {
  return (nodes?.tolerations ?? []).flatMap((toleration, index) => {
    // A fault of its own leaves a field out, as absence does.
    if (toleration === undefined || ("operator" in toleration && toleration.operator === undefined)) return [];
    const path = ["nodes", "tolerations", index];
    const { operator = "Equal", value } = toleration;
    if (operator === "Equal" && !("key" in toleration)) {
      return [{ path, what: "has no key, which means every key", allowed: "operator Exists, or a key" }];
    }
    if (operator === "Exists" && value !== undefined && value !== "") {
      const what = `names the value ${value}, and operator Exists takes any`;
      return [{ path: [...path, "value"], what, allowed: "no value, or operator Equal" }];
    }
    return [];
  });
}
