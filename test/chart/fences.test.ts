import { describe, expect, test } from "vitest";
import { CAPABILITY_LEVELS } from "../../crds/class_schema.ts";
import { capabilitiesOf } from "../../operator/plan/capabilities.ts";
import { find, type Helm, helms, namespace, type Rendered, render, type Values } from "./helm.ts";

/* Which policies there are, and for whom. What each refuses is asked of an API server: test/integration/operator. */

interface PolicySpec {
  failurePolicy: string;
  matchConditions: { expression: string }[];
  validations: { expression: string; message: string }[];
}

const POLICY = "ValidatingAdmissionPolicy";
const OF_THE_OPERATOR = ["deletions", "node-labels", "objects", "pods", "quicproxies", "role-bindings", "roles"];
const OF_PROXIES = ["node-status"];

const policiesOf = (objects: readonly Rendered[]): Rendered[] => objects.filter(({ kind }) => kind === POLICY);
const suffixesOf = (values: Values): string[] =>
  policiesOf(render("Helm 4", values))
    .map(({ metadata }) => metadata.name.replace("quicproxy-operator-", ""))
    .sort();
const specOf = (objects: readonly Rendered[], suffix: string): PolicySpec =>
  find(objects, POLICY, `quicproxy-operator-${suffix}`).spec as unknown as PolicySpec;

describe.each(Object.keys(helms) as Helm[])("%s: the policies", (version) => {
  const objects = render(version);

  test("are in force by default, and refuse where they cannot judge", () => {
    expect(suffixesOf({})).toEqual([...OF_THE_OPERATOR, ...OF_PROXIES].sort());
    for (const { metadata, spec } of policiesOf(objects)) {
      expect(spec).toMatchObject({ failurePolicy: "Fail" });
      expect(find(objects, `${POLICY}Binding`, metadata.name).spec).toEqual({
        policyName: metadata.name,
        validationActions: ["Deny"],
      });
    }
  });

  test("are about the operator's own account and about those of proxies", () => {
    const named = { serviceAccount: { name: "lb" } };
    for (const [values, account] of [
      [{}, "quicproxy-operator"],
      [named, "lb"],
    ] as const) {
      const expression = `request.userInfo.username == 'system:serviceaccount:${namespace}:${account}'`;
      const rendered = render(version, values);
      for (const suffix of OF_THE_OPERATOR) {
        expect(specOf(rendered, suffix).matchConditions).toEqual([{ name: "by-the-operator", expression }]);
      }
    }
    expect(specOf(objects, "node-status").matchConditions[0]!.expression).toContain(":quicproxy-'");
  });

  test("say in a sentence what is refused", () => {
    for (const { spec } of policiesOf(objects)) {
      for (const { message } of (spec as unknown as PolicySpec).validations) expect(message).toMatch(/^[^\n]{40,}$/);
    }
  });
});

test("each is left out where its value says so", () => {
  expect(suffixesOf({ operator: { fenceWrites: false } })).toEqual(["node-labels", "node-status"]);
  expect(suffixesOf({ operator: { fenceNodeRights: false } })).not.toContain("node-labels");
  expect(suffixesOf({ proxy: { fenceStatus: false } })).toEqual(OF_THE_OPERATOR);
});

describe("a proxy's pod", () => {
  const expressions = (values: Values): string =>
    specOf(render("Helm 4", values), "pods")
      .validations.map(({ expression }) => expression)
      .join("\n");

  test("runs the image that the operator is told", () => {
    const values = { image: { repository: "registry.example/q", tag: "2" } };
    const { template } = find(render("Helm 4", values), "Deployment").spec as {
      template: { spec: { containers: [{ args: string[] }] } };
    };
    expect(template.spec.containers[0].args).toContain("--image=registry.example/q:2");
    expect(expressions(values)).toContain("image == 'registry.example/q:2'");
  });

  test.each(CAPABILITY_LEVELS)("has the capabilities of level %s at most", (capabilities) => {
    const list = capabilitiesOf(capabilities).map((each) => `'${each}'`);
    expect(expressions({ proxy: { capabilities } })).toContain(`capability in [${list.join(",")}]`);
  });
});
