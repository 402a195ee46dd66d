import { mkdirSync, rmSync } from "node:fs";
import {
  addressLines,
  createNamespace,
  ipInside,
  labDirectory,
  linkNamespaces,
  nextLabName,
  removeLab,
  removeStaleLabs,
} from "./namespace.ts";

export interface Addresses {
  v4: string;
  v6: string;
}

export interface BackendPlace extends Addresses {
  name: string;
  namespace: string;
}

/** client 10.79.1.0/24, fd79:1::/64 <-> edge <-> bridge 10.79.2.0/24, fd79:2::/64 <-> one namespace per backend. */
export interface Topology {
  name: string;
  directory: string;
  client: { namespace: string; device: string; own: Addresses; alternate: Addresses; leased: Addresses };
  edge: { namespace: string; towardClients: Addresses; towardBackends: Addresses };
  backends: BackendPlace[];
}

export interface TopologyOptions {
  /** Default 3. */
  backends?: number;
  /** Default: a name that only this process uses. */
  name?: string;
  /** The edge forwards IP packets, so that clients reach backends without a proxy. Default false. */
  routed?: boolean;
}

/** Makes the namespaces of a lab; whatever was made is removed again when a step fails. Needs root. */
export function createTopology(options: TopologyOptions = {}): Topology {
  removeStaleLabs();
  const name = options.name ?? nextLabName();
  const plan = planTopology(name, options.backends ?? 3);
  try {
    build(plan, options.routed ?? false);
  } catch (error) {
    removeLab(name);
    throw error;
  }
  return plan;
}

/** The names and addresses of a lab, whether it is there or not. */
export function planTopology(name: string, backends: number): Topology {
  return {
    name,
    directory: labDirectory(name),
    client: {
      namespace: `${name}-client`,
      device: "access",
      own: { v4: "10.79.1.2", v6: "fd79:1::2" },
      alternate: { v4: "10.79.1.3", v6: "fd79:1::3" },
      leased: { v4: "10.79.1.4", v6: "fd79:1::4" },
    },
    edge: {
      namespace: `${name}-edge`,
      towardClients: { v4: "10.79.1.1", v6: "fd79:1::1" },
      towardBackends: { v4: "10.79.2.1", v6: "fd79:2::1" },
    },
    backends: Array.from({ length: backends }, (_, index) => ({
      name: `backend-${index + 1}`,
      namespace: `${name}-backend-${index + 1}`,
      v4: `10.79.2.${11 + index}`,
      v6: `fd79:2::${11 + index}`,
    })),
  };
}

function build({ client, edge, backends, directory }: Topology, routed: boolean): void {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  for (const { namespace } of [client, ...backends]) createNamespace(namespace);
  // A new namespace may inherit forwarding from the machine, so it is set either way.
  const forwarding = routed ? 1 : 0;
  createNamespace(edge.namespace, { "ipv4/ip_forward": forwarding, "ipv6/conf/all/forwarding": forwarding });

  linkNamespaces(
    {
      namespace: client.namespace,
      device: client.device,
      addresses: [...cidrs(client.own), ...cidrs(client.alternate)],
    },
    { namespace: edge.namespace, device: "clients", addresses: cidrs(edge.towardClients) },
  );
  ipInside(client.namespace, ["route add 10.79.2.0/24 via 10.79.1.1", "route add fd79:2::/64 via fd79:1::1"]);

  ipInside(edge.namespace, [
    "link add backends type bridge",
    ...addressLines("backends", cidrs(edge.towardBackends)),
    "link set backends up",
  ]);
  backends.forEach((backend, index) => {
    linkNamespaces(
      { namespace: backend.namespace, device: "access", addresses: cidrs(backend) },
      { namespace: edge.namespace, device: `port${index + 1}`, addresses: [], bridge: "backends" },
    );
    ipInside(backend.namespace, ["route add 10.79.1.0/24 via 10.79.2.1", "route add fd79:1::/64 via fd79:2::1"]);
  });
}

function cidrs({ v4, v6 }: Addresses): string[] {
  return [`${v4}/24`, `${v6}/64`];
}

/** Gives the client's interface new addresses in place of all it had, as a new lease from its provider would. */
export function readdressClient({ client }: Topology): void {
  ipInside(client.namespace, [
    `addr flush dev ${client.device} scope global`,
    ...addressLines(client.device, cidrs(client.leased)),
    "route replace 10.79.2.0/24 via 10.79.1.1",
    "route replace fd79:2::/64 via fd79:1::1",
  ]);
}
