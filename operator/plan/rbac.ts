import { RESOURCES } from "../../kube/resources.ts";
import { childName } from "../names.ts";
import type { ObservedProxy } from "../world.ts";
import { childOf, type DesiredObject } from "./desired.ts";

const RBAC_GROUP = "rbac.authorization.k8s.io";
const OWN_GROUP = "quicproxy.io";

/**
 * What the proxies of one QuicProxy may do: read their own QuicProxyNodes by name and write the status of these. List
 * and watch by name work with a field selector on metadata.name only. `objects`: names of the QuicProxyNodes. Backends are
 * read without a name, since chunks have a new one with each change: of a namespace, they are no secret within it.
 */
export function planRbac(proxy: ObservedProxy, objects: readonly string[]): DesiredObject[][] {
  const name = childName(proxy.name);
  const { serviceAccounts, roles, roleBindings } = RESOURCES;
  const account = { automountServiceAccountToken: false };
  const role = { rules: objects.length === 0 ? [] : rulesFor(objects) };
  const binding = {
    roleRef: { apiGroup: RBAC_GROUP, kind: "Role", name },
    subjects: [{ kind: "ServiceAccount", name, namespace: proxy.namespace }],
  };
  return [
    [
      childOf(proxy, { resource: serviceAccounts, name, content: account }),
      childOf(proxy, { resource: roles, name, content: role }),
    ],
    // Nobody may bind what he could not look at, so the API server refuses a binding to a Role that is not there yet.
    [childOf(proxy, { resource: roleBindings, name, content: binding })],
  ];
}

function rulesFor(resourceNames: readonly string[]): object[] {
  return [
    { apiGroups: [OWN_GROUP], resources: ["quicproxynodes"], resourceNames, verbs: ["get", "list", "watch"] },
    { apiGroups: [OWN_GROUP], resources: ["quicproxybackends"], verbs: ["list", "watch"] },
    { apiGroups: [OWN_GROUP], resources: ["quicproxynodes/status"], resourceNames, verbs: ["patch"] },
  ];
}
