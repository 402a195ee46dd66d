/** A kind of object as the API server's paths name it. */
export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
}

/** Which part of a resource: all of it, one namespace, one object, one subresource of that. */
export interface ResourcePlace {
  readonly namespace?: string | undefined;
  readonly name?: string;
  readonly subresource?: "status";
}

const resource = (group: string, version: string, plural: string, kind: string): Resource => {
  return { group, version, plural, kind };
};

export const RESOURCES = {
  quicProxies: resource("quicproxy.io", "v1alpha1", "quicproxies", "QuicProxy"),
  quicProxyNodes: resource("quicproxy.io", "v1alpha1", "quicproxynodes", "QuicProxyNode"),
  quicProxyBackends: resource("quicproxy.io", "v1alpha1", "quicproxybackends", "QuicProxyBackends"),
  quicProxyKeys: resource("quicproxy.io", "v1alpha1", "quicproxykeys", "QuicProxyKey"),
  quicProxyClasses: resource("quicproxy.io", "v1alpha1", "quicproxyclasses", "QuicProxyClass"),
  nodes: resource("", "v1", "nodes", "Node"),
  pods: resource("", "v1", "pods", "Pod"),
  services: resource("", "v1", "services", "Service"),
  serviceAccounts: resource("", "v1", "serviceaccounts", "ServiceAccount"),
  endpointSlices: resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
  daemonSets: resource("apps", "v1", "daemonsets", "DaemonSet"),
  controllerRevisions: resource("apps", "v1", "controllerrevisions", "ControllerRevision"),
  roles: resource("rbac.authorization.k8s.io", "v1", "roles", "Role"),
  roleBindings: resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
  leases: resource("coordination.k8s.io", "v1", "leases", "Lease"),
  /** As whoever reads them by what they are about wants them: the other group has no such field selectors. */
  coreEvents: resource("", "v1", "events", "Event"),
  events: resource("events.k8s.io", "v1", "events", "Event"),
} as const;

export function apiVersionOf({ group, version }: Resource): string {
  return group === "" ? version : `${group}/${version}`;
}

/** Path of a resource; without a namespace that of all namespaces, or of a kind that has none. */
export function resourcePath(resource: Resource, { namespace, name, subresource }: ResourcePlace = {}): string {
  const parts = [
    resource.group === "" ? "/api" : "/apis",
    apiVersionOf(resource),
    ...(namespace === undefined ? [] : ["namespaces", namespace]),
    resource.plural,
    ...(name === undefined ? [] : [encodeURIComponent(name)]),
    ...(subresource === undefined ? [] : [subresource]),
  ];
  return parts.join("/");
}
