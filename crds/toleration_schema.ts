import { choice, mapping, text, validations } from "./fields.ts";

/** As in a pod, without a time. */
export const toleration = mapping({
  key: text(/^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/, 317, "the key of a taint")
    .optional()
    .describe("Key of the taint. Absent, with operator Exists: every key."),
  operator: choice(["Exists", "Equal"])
    .default("Equal")
    .describe("Exists: any value of the key. Equal: the value given here."),
  value: text(/^[-A-Za-z0-9_.]*$/, 63, "the value of a taint")
    .optional()
    .describe("Value of the taint, with Equal."),
  effect: choice(["NoSchedule", "PreferNoSchedule", "NoExecute"])
    .optional()
    .describe("Effect of the taint. Absent: every effect."),
}).meta(
  validations(
    { rule: "has(self.key) || self.operator == 'Exists'", message: "a toleration without key has operator Exists" },
    {
      rule: "self.operator != 'Exists' || !has(self.value) || self.value == ''",
      message: "a toleration with operator Exists has no value",
    },
  ),
);
