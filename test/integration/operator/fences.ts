import { find, type Rendered, render } from "../../chart/helm.ts";
import { ensurePrograms } from "../../cluster/binaries.ts";
import type { Admin } from "./fixtures.ts";

const PLURALS: Readonly<Record<string, string>> = {
  ValidatingAdmissionPolicy: "validatingadmissionpolicies",
  ValidatingAdmissionPolicyBinding: "validatingadmissionpolicybindings",
};

/**
 * The policies as the chart renders them. They are in force a moment later, and in the order in which they were written:
 * that about all kinds of objects is the last.
 */
export async function installFences(admin: Admin): Promise<void> {
  await ensurePrograms(["helm"], (text) => console.log(text));
  const policies = render("Helm 4").filter(({ kind }) => PLURALS[kind] !== undefined);
  const isLast = ({ metadata }: Rendered): number => Number(metadata.name.endsWith("-objects"));
  for (const object of policies.sort((a, b) => isLast(a) - isLast(b))) {
    const { kind } = object;
    const resource = { group: "admissionregistration.k8s.io", version: "v1", plural: PLURALS[kind]!, kind };
    await admin.apply(resource, object);
  }
}

/** The one image that the policies let the operator run. */
export function imageOfChart(): string {
  const { template } = find(render("Helm 4"), "Deployment").spec as {
    template: { spec: { containers: [{ image: string }] } };
  };
  return template.spec.containers[0].image;
}
