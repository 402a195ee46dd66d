import { readFileSync } from "node:fs";
import { parse } from "yaml";
import type { BackendsSpec } from "../../../crds/backends_schema.ts";
import type { QuicProxyStatus } from "../../../crds/status_schema.ts";
import type { ApiClient } from "../../../kube/client.ts";
import type { KubernetesObject } from "../../../kube/objects.ts";
import { RESOURCES, type Resource } from "../../../kube/resources.ts";
import { assembleSet } from "../../../proxy/source/backend_set.ts";
import { until } from "../../until.ts";

export const NAMESPACE = "media";

const CRDS: Resource = {
  group: "apiextensions.k8s.io",
  version: "v1",
  plural: "customresourcedefinitions",
  kind: "CustomResourceDefinition",
};
const CRD_PLURALS = ["quicproxies", "quicproxynodes", "quicproxybackends", "quicproxykeys", "quicproxyclasses"];
const NAMESPACES: Resource = { group: "", version: "v1", plural: "namespaces", kind: "Namespace" };
const ROOT = new URL("../../../", import.meta.url);

export const OPERATOR_ACCOUNT = { namespace: "quicproxy-system", name: "quicproxy-operator" };

const rule = (apiGroup: string, resources: readonly string[], verbs: readonly string[]) => {
  return { apiGroups: [apiGroup], resources, verbs };
};

/** All that the operator may do. A right that it lacks shows as a failed test, a right that it does not use does not. */
export const OPERATOR_RULES = [
  rule("quicproxy.io", ["quicproxies"], ["list", "watch", "patch"]),
  rule("quicproxy.io", ["quicproxyclasses"], ["list", "watch"]),
  rule("gateway.networking.k8s.io", ["referencegrants"], ["list", "watch"]),
  rule("quicproxy.io", ["quicproxies/status"], ["patch"]),
  rule("quicproxy.io", ["quicproxybackends"], ["get", "list", "watch", "create", "patch", "delete"]),
  rule("quicproxy.io", ["quicproxynodes"], ["get", "list", "watch", "create", "patch", "delete"]),
  rule("quicproxy.io", ["quicproxynodes/status"], ["patch"]),
  rule("quicproxy.io", ["quicproxykeys"], ["get", "list", "watch", "create"]),
  rule("apps", ["daemonsets"], ["list", "watch", "create", "patch"]),
  rule("apps", ["controllerrevisions"], ["list", "watch", "create", "patch", "delete"]),
  rule("", ["serviceaccounts"], ["list", "watch", "create", "patch"]),
  rule("rbac.authorization.k8s.io", ["roles", "rolebindings"], ["list", "watch", "create", "patch"]),
  rule("", ["nodes"], ["list", "watch", "patch"]),
  rule("", ["services"], ["list", "watch"]),
  rule("", ["pods"], ["list", "watch", "delete"]),
  rule("discovery.k8s.io", ["endpointslices"], ["list", "watch"]),
  rule("", ["events"], ["list", "watch"]),
  rule("events.k8s.io", ["events"], ["create", "patch"]),
];

/** A class that keeps no address, toleration or tuning from being asked for, for tests of other things. */
export const OPEN = {
  listenerPorts: [{ first: 1, last: 65_535 }],
  metricsPorts: [{ first: 1, last: 65_535 }],
  tolerations: [{ operator: "Exists" }],
  destinations: { cidrs: ["0.0.0.0/0", "::/0"], guarded: [] },
  tuning: "Allowed",
};

/** Writes to the API server as an administrator would. */
export class Admin {
  readonly client: ApiClient;

  constructor(client: ApiClient) {
    this.client = client;
  }

  async apply(resource: Resource, object: object): Promise<void> {
    await this.client.apply(object as KubernetesObject, { resource, fieldManager: "test" });
  }

  async status(resource: Resource, object: object): Promise<void> {
    await this.client.apply(object as KubernetesObject, { resource, fieldManager: "test", subresource: "status" });
  }

  async installCrds(): Promise<void> {
    for (const plural of CRD_PLURALS) {
      const text = readFileSync(new URL(`crds/quicproxy.io_${plural}.yaml`, ROOT), "utf8");
      await this.apply(CRDS, parse(text));
    }
    const namespaced = { namespace: NAMESPACE };
    await until("the CRDs are served", async () => {
      await this.client.list({ resource: RESOURCES.quicProxies, ...namespaced });
      await this.client.list({ resource: RESOURCES.quicProxyNodes, ...namespaced });
      await this.client.list({ resource: RESOURCES.quicProxyBackends, ...namespaced });
      await this.client.list({ resource: RESOURCES.quicProxyKeys, ...namespaced });
      await this.client.list({ resource: RESOURCES.quicProxyClasses });
      return true;
    });
    await this.quicProxyClass("default", OPEN);
  }

  /** Makes a class the default one, or changes it. */
  async quicProxyClass(name: string, spec: object, isDefault = true): Promise<void> {
    const annotations = { "quicproxy.io/is-default-class": String(isDefault) };
    await this.apply(RESOURCES.quicProxyClasses, {
      apiVersion: "quicproxy.io/v1alpha1",
      kind: "QuicProxyClass",
      metadata: { name, annotations },
      spec,
    });
  }

  async crd(definition: object): Promise<void> {
    await this.apply(CRDS, definition);
  }

  async removeCrd(name: string): Promise<void> {
    await this.client.delete(CRDS, { name });
    await until(`${name} is gone`, async () => (await this.client.get(CRDS, { name })) === undefined);
  }

  async removeCrds(): Promise<void> {
    for (const plural of CRD_PLURALS) await this.client.delete(CRDS, { name: `${plural}.quicproxy.io` });
  }

  async grant({ namespace, name }: typeof OPERATOR_ACCOUNT, rules: readonly object[]): Promise<void> {
    const version = "rbac.authorization.k8s.io/v1";
    const [role, binding] = ["ClusterRole", "ClusterRoleBinding"].map((kind) => {
      const [group, plural] = ["rbac.authorization.k8s.io", `${kind.toLowerCase()}s`];
      return {
        resource: { group, version: "v1", plural, kind },
        object: { apiVersion: version, kind, metadata: { name } },
      };
    });
    await this.apply(role!.resource, { ...role!.object, rules });
    const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name };
    const subjects = [{ kind: "ServiceAccount", namespace, name }];
    await this.apply(binding!.resource, { ...binding!.object, roleRef, subjects });
  }

  async namespace(name: string): Promise<void> {
    await this.apply(NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }

  async node(name: string, labels: Record<string, string>): Promise<void> {
    const metadata = { name, labels: { "kubernetes.io/os": "linux", ...labels } };
    await this.apply(RESOURCES.nodes, { apiVersion: "v1", kind: "Node", metadata });
  }

  async service(name: string, port: number, namespace = NAMESPACE): Promise<void> {
    const spec = { selector: { app: name }, ports: [{ name: "quic", port, protocol: "UDP" }] };
    await this.apply(RESOURCES.services, {
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace, name },
      spec,
    });
  }

  /** The slice of a Service with pods, as the API server's own controller would write it. */
  async podSlice(namespace: string, service: string, addresses: readonly string[]): Promise<void> {
    const labels = { "kubernetes.io/service-name": service };
    await this.apply(RESOURCES.endpointSlices, {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { namespace, name: `${service}-pods`, labels },
      addressType: "IPv4",
      ports: [{ name: "quic", port: 4433, protocol: "UDP" }],
      endpoints: addresses.map((address) => {
        return {
          addresses: [address],
          conditions: { ready: true },
          targetRef: { kind: "Pod", namespace, name: "pod" },
        };
      }),
    });
  }

  async slice(service: string, endpoints: readonly Endpoint[]): Promise<void> {
    const labels = { "kubernetes.io/service-name": service };
    await this.apply(RESOURCES.endpointSlices, {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { namespace: NAMESPACE, name: `${service}-1`, labels },
      addressType: "IPv4",
      ports: [{ name: "quic", port: 4433, protocol: "UDP" }],
      endpoints: endpoints.map(({ address, ready = true, terminating = false }) => {
        return { addresses: [address], conditions: { ready, serving: true, terminating } };
      }),
    });
  }

  async proxy(name: string, spec: object, namespace = NAMESPACE): Promise<void> {
    await this.apply(RESOURCES.quicProxies, {
      apiVersion: "quicproxy.io/v1alpha1",
      kind: "QuicProxy",
      metadata: { namespace, name },
      spec,
    });
  }

  async proxyStatus(name: string): Promise<Partial<QuicProxyStatus>> {
    const object = await this.client.get(RESOURCES.quicProxies, { namespace: NAMESPACE, name });
    return (object as { status?: Partial<QuicProxyStatus> } | undefined)?.status ?? {};
  }

  async nodeObjects(): Promise<NodeObject[]> {
    const { items } = await this.client.list({ resource: RESOURCES.quicProxyNodes, namespace: NAMESPACE });
    return items as unknown as NodeObject[];
  }

  /** `address weight` of each backend that the proxies of a QuicProxy are told of, sorted. */
  async backends(name: string): Promise<string[]> {
    const { items } = await this.client.list({ resource: RESOURCES.quicProxyBackends, namespace: NAMESPACE });
    const objects = new Map(
      items.map((item) => [item.metadata.name, (item as unknown as { spec: BackendsSpec }).spec]),
    );
    const set = assembleSet(name, objects);
    return (set?.backends ?? []).map(({ address, weight }) => `${address} ${weight}`).sort();
  }

  /** `status reason message` of a condition. */
  async condition(name: string, type: string): Promise<string> {
    const { conditions = [] } = await this.proxyStatus(name);
    const condition = conditions.find((each) => each.type === type);
    return condition === undefined ? "" : `${condition.status} ${condition.reason}: ${condition.message}`;
  }
}

export interface Endpoint {
  readonly address: string;
  readonly ready?: boolean;
  readonly terminating?: boolean;
}

export interface NodeObject {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly spec: {
    readonly generation: number;
    readonly hashKey: string;
  };
}
