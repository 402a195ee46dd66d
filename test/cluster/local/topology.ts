import { createHash } from "node:crypto";
import { createNamespace, ip, ipInside, linkNamespaces } from "../../../proxy/lab/namespace.ts";

export interface HostPlan {
  /** Of the host in the cluster, without the cluster's own name. */
  name: string;
  namespace: string;
  v4: string;
  v6: string;
}

export interface NodePlan extends HostPlan {
  /** Below every cgroup hierarchy. */
  cgroup: string;
}

/**
 * switch: a bridge 10.90.0.1/24 without a way out, that control, node-1, node-2 and client are plugged into.
 * Nothing is added to the machine's own network.
 */
export interface TopologyPlan {
  /** Starts the name of every namespace and cgroup. */
  name: string;
  switchNamespace: string;
  control: HostPlan;
  nodes: readonly NodePlan[];
  client: HostPlan;
}

export const podRange = "10.244.0.0/16";
export const serviceRange = "10.96.0.0/16";
export const apiServicePort = 6443;
const gateway = "10.90.0.1";
const bridge = "hosts";
/** The network device of every host. */
export const hostDevice = "eth0";

/** The namespaces of the cluster that lives in a directory: the same directory gives the same names. */
export function planTopology(directory: string): TopologyPlan {
  const name = `qpc${createHash("sha256").update(directory).digest("hex").slice(0, 6)}`;
  const host = (role: string, number: number): HostPlan => ({
    name: role,
    namespace: `${name}-${role}`,
    v4: `10.90.0.${number}`,
    v6: `fd90::${number}`,
  });
  const node = (number: number): NodePlan => ({
    ...host(`node-${number}`, 10 + number),
    cgroup: `${name}-node-${number}`,
  });
  return {
    name,
    switchNamespace: `${name}-switch`,
    control: host("control", 10),
    nodes: [node(1), node(2)],
    client: host("client", 100),
  };
}

export function namespacesOf({ switchNamespace, control, nodes, client }: TopologyPlan): string[] {
  return [switchNamespace, control.namespace, ...nodes.map(({ namespace }) => namespace), client.namespace];
}

export function createNetwork(plan: TopologyPlan): void {
  const { switchNamespace, control, nodes, client } = plan;
  // A switch that forwards but has no way out answers at once that a destination outside is unreachable.
  for (const namespace of namespacesOf(plan)) {
    createNamespace(namespace, { "ipv4/ip_forward": namespace === client.namespace ? 0 : 1 });
  }
  ipInside(switchNamespace, [
    `link add ${bridge} type bridge`,
    `addr add ${gateway}/24 dev ${bridge}`,
    `link set ${bridge} up`,
  ]);
  [control, ...nodes, client].forEach(({ namespace, v4, v6 }, index) => {
    linkNamespaces(
      { namespace, device: hostDevice, addresses: [`${v4}/24`, `${v6}/64`] },
      { namespace: switchNamespace, device: `port${index + 1}`, addresses: [], bridge },
    );
  });
  // A connection to a service's address needs some route before kube-proxy rewrites it.
  for (const { namespace } of [control, ...nodes]) ipInside(namespace, [`route add default via ${gateway}`]);
}

/** Leads a node's range of pod addresses to it from the control plane and the other nodes. */
export function routePods({ control, nodes }: TopologyPlan, owner: NodePlan, range: string): void {
  for (const { name, namespace } of [control, ...nodes]) {
    if (name !== owner.name) ipInside(namespace, [`route replace ${range} via ${owner.v4}`]);
  }
}

/** Removes the namespaces that are there; nothing may run in them any more. */
export function removeNetwork(plan: TopologyPlan): void {
  const there = presentNamespaces(plan);
  for (const namespace of there) ip(["netns", "del", namespace]);
}

export function presentNamespaces(plan: TopologyPlan): string[] {
  const listed = listNamespaces();
  return namespacesOf(plan).filter((namespace) => listed.includes(namespace));
}

/** Whether the cluster of another directory is on this machine. */
export function hasNeighbour({ name }: TopologyPlan): boolean {
  return listNamespaces().some((namespace) => /^qpc[0-9a-f]{6}-/.test(namespace) && !namespace.startsWith(`${name}-`));
}

function listNamespaces(): string[] {
  return ip(["netns", "list"])
    .split("\n")
    .map((line) => line.split(" ")[0]!);
}
