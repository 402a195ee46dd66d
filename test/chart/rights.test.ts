import { describe, expect, test } from "vitest";
import { find, namespace, type Rendered, render } from "./helm.ts";

type Rights = string[];

/** One line for each kind: `group/resource[names]: verbs`. */
function rightsOf(role: Rendered): Rights {
  const lines = (role.rules ?? []).flatMap(({ apiGroups, resources, resourceNames, verbs }) =>
    apiGroups.flatMap((group) =>
      resources.map((resource) => {
        const names = resourceNames === undefined ? "" : `[${resourceNames.join(",")}]`;
        return `${group}/${resource}${names}: ${verbs.join(" ")}`;
      }),
    ),
  );
  return lines.sort();
}

const IN_NAMESPACES: Rights = [
  "/events: list watch",
  "/pods: list watch delete",
  "/serviceaccounts: list watch create patch",
  "/services: list watch",
  "apps/controllerrevisions: list watch create patch delete",
  "apps/daemonsets: list watch create patch",
  "discovery.k8s.io/endpointslices: list watch",
  "events.k8s.io/events: create patch",
  "quicproxy.io/quicproxies/status: patch",
  "quicproxy.io/quicproxies: list watch patch",
  "quicproxy.io/quicproxybackends: get list watch create patch delete",
  "quicproxy.io/quicproxykeys: get list watch create",
  "quicproxy.io/quicproxynodes/status: patch",
  "quicproxy.io/quicproxynodes: get list watch create patch delete",
  "rbac.authorization.k8s.io/rolebindings: list watch create patch",
  "rbac.authorization.k8s.io/roles: list watch create patch",
];
const OF_CLUSTER: Rights = ["/nodes: list watch patch", "quicproxy.io/quicproxyclasses: list watch"];
const BETWEEN_NAMESPACES: Rights = ["gateway.networking.k8s.io/referencegrants: list watch"];
const OPERATOR = "quicproxy-operator";

describe("the operator may do", () => {
  const objects = render("Helm 4");

  test("this and nothing else, wherever QuicProxies are", () => {
    expect(rightsOf(find(objects, "ClusterRole", OPERATOR))).toEqual(
      [...OF_CLUSTER, ...BETWEEN_NAMESPACES, ...IN_NAMESPACES].sort(),
    );
    const roles = objects.filter(({ kind }) => kind === "Role").map(({ metadata }) => metadata.name);
    expect(roles).toEqual([`${OPERATOR}-lease`]);
  });

  test("this with one lease, in its own namespace", () => {
    const role = find(objects, "Role");
    expect(role.metadata.namespace).toBe(namespace);
    expect(rightsOf(role)).toEqual([
      "coordination.k8s.io/leases: create",
      `coordination.k8s.io/leases[${OPERATOR}]: get update`,
    ]);
  });

  test("as much in one namespace only, where it watches one", () => {
    const narrow = render("Helm 4", { operator: { watchNamespace: "media" } });
    expect(rightsOf(find(narrow, "ClusterRole", OPERATOR))).toEqual(OF_CLUSTER);
    const role = find(narrow, "Role", OPERATOR);
    expect(role.metadata.namespace).toBe("media");
    expect(rightsOf(role)).toEqual(IN_NAMESPACES);
  });
});

test("who may view sees QuicProxies, and no QuicProxyNode: its spec holds the hash key", () => {
  const roles = render("Helm 4").filter(({ kind, metadata }) => kind === "ClusterRole" && metadata.name !== OPERATOR);
  const labels = (role: Rendered): string[] =>
    Object.keys(role.metadata.labels ?? {}).flatMap((label) => /aggregate-to-(\w+)$/.exec(label)?.[1] ?? []);
  expect(roles.map((role) => [labels(role), rightsOf(role)])).toEqual([
    [
      ["view", "edit", "admin"],
      [
        "quicproxy.io/quicproxies/scale: get",
        "quicproxy.io/quicproxies/status: get",
        "quicproxy.io/quicproxies: get list watch",
        "quicproxy.io/quicproxybackends: get list watch",
        "quicproxy.io/quicproxyclasses: get list watch",
      ],
    ],
    [
      ["edit", "admin"],
      [
        "quicproxy.io/quicproxies/scale: update patch",
        "quicproxy.io/quicproxies: create update patch delete deletecollection",
      ],
    ],
  ]);
});

test("there is no wildcard and no right on Secrets, whatever the values", () => {
  for (const values of [{}, { operator: { watchNamespace: "media" } }]) {
    for (const { rules = [] } of render("Helm 4", values)) {
      for (const { apiGroups, resources, verbs } of rules) {
        expect([...apiGroups, ...resources, ...verbs].filter((word) => word.includes("*"))).toEqual([]);
        expect(resources).not.toContain("secrets");
        for (const verb of ["bind", "escalate", "impersonate"]) expect(verbs).not.toContain(verb);
      }
    }
  }
});
