import type { Resource } from "../../../kube/resources.ts";

const GROUP = "gateway.networking.k8s.io";

/** ReferenceGrants in one version of the Gateway API. */
export function referenceGrants(version: string): Resource {
  return { group: GROUP, version, plural: "referencegrants", kind: "ReferenceGrant" };
}

/** The kind as the Gateway API installs it, but for the rules of its fields, which are not ours to test. */
export function referenceGrantCrd(version: string): object {
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `referencegrants.${GROUP}`,
      annotations: { "api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api" },
    },
    spec: {
      group: GROUP,
      scope: "Namespaced",
      names: { kind: "ReferenceGrant", plural: "referencegrants", singular: "referencegrant" },
      versions: [{ name: version, served: true, storage: true, schema }],
    },
  };
}
