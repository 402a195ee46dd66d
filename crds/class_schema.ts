import { parseCidr } from "./cidr.ts";
import { choice, integer, labelMap, list, mapping, objectName, size, text, validations } from "./fields.ts";
import { cpu, memory, resourcesShape } from "./resources_schema.ts";
import { toleration } from "./toleration_schema.ts";

/*
 * QuicProxyClass: what QuicProxies may use of a cluster, as a StorageClass or a GatewayClass does it for theirs. It is the
 * administrator's. What it does not say is bounded all the same wherever it would otherwise reach other tenants or the nodes.
 */

export const CLASS_KIND = "QuicProxyClass";
/** Annotation of the class for QuicProxies that name none. */
export const DEFAULT_CLASS_ANNOTATION = "quicproxy.io/is-default-class";
/** How much of the kernel the proxies may use (docs/adr/0008). */
export const CAPABILITY_LEVELS = ["Sockets", "Kernel"] as const;
/** What a class does not let a QuicProxy reach by a CIDR alone. */
export const GUARDED_DESTINATIONS = ["Nodes", "Services", "Pods"] as const;

const UNPRIVILEGED = { first: 1024, last: 65_535 };
const CIDR = "a range of IPv4 or IPv6 addresses such as 10.20.0.0/16 or fd00::/8 (not IPv4-mapped)";

function portRanges(what: string) {
  const number = (name: string) => integer(1, 65_535).describe(`${name} of the ports, 1 to 65535.`);
  const range = mapping({ first: number("First"), last: number("Last") }).meta(
    validations({ rule: "self.first <= self.last", message: "first at most last" }),
  );
  return list(range, 0, 32, what).meta({ "x-kubernetes-list-type": "atomic" });
}

function cidrs() {
  const range = text(/^[0-9A-Fa-f:.]+\/[0-9]{1,3}$/, 49, CIDR)
    .refine((value) => parseCidr(value) !== undefined, { error: CIDR })
    .meta(validations({ rule: "isCIDR(self)", message: CIDR }));
  return list(range, 0, 128, "CIDRs").meta({ "x-kubernetes-list-type": "atomic" });
}

const maximum = mapping({
  workers: integer(1, 64).default(16).describe("Most of dataPlane.workers.max, 1 to 64."),
  flowMemory: size("1Mi", "64Gi").default("1Gi").describe("Most of dataPlane.flowMemory, 1Mi to 64Gi."),
  receiveBuffer: size("4Ki", "1Gi").default("64Mi").describe("Most of dataPlane.receiveBuffer, 4Ki to 1Gi."),
  sendBuffer: size("4Ki", "1Gi").default("64Mi").describe("Most of dataPlane.sendBuffer, 4Ki to 1Gi."),
  cpu: cpu().default("4").describe("Most processor time that a pod may request, or have as its limit."),
  memory: memory().default("4Gi").describe("Most memory that a pod may request, or have as its limit."),
});

const destinations = mapping({
  cidrs: cidrs()
    .default([])
    .describe(
      "Addresses that QuicProxies may send to beside the pods of their own namespace: servers outside of the cluster. At most " +
        "128.",
    ),
  guarded: list(choice(GUARDED_DESTINATIONS), 0, 3, "of Nodes, Services, Pods")
    .default(["Nodes", "Services", "Pods"])
    .meta({ "x-kubernetes-list-type": "set" })
    .describe(
      "What may not be sent to even where it is in cidrs. Nodes: addresses of nodes. Services: cluster, external and " +
        "load-balancer addresses of Services. Pods: those of other namespaces, by spec.podCIDRs of the nodes and by podCIDRs.",
    ),
  podCIDRs: cidrs()
    .default([])
    .describe("Ranges of pods beside spec.podCIDRs of the nodes, for networks that do not use these. At most 128."),
});

export type Destinations = typeof destinations._zod.output;
export const destinationsShape = destinations;

export const classSpecShape = mapping({
  namespaces: list(objectName("a namespace"), 0, 256, "namespaces")
    .optional()
    .meta({ "x-kubernetes-list-type": "set" })
    .describe("Namespaces whose QuicProxies may use this class. At most 256. Default: all of them."),
  listenerPorts: portRanges("port ranges")
    .default([{ first: 443, last: 443 }, UNPRIVILEGED])
    .describe("UDP ports that listeners may have. At most 32 ranges. Default: 443, and 1024 to 65535."),
  metricsPorts: portRanges("port ranges")
    .default([UNPRIVILEGED])
    .describe("TCP ports of the nodes that metrics may have. At most 32 ranges. Default: 1024 to 65535."),
  nodeSelector: labelMap()
    .optional()
    .describe("Labels that nodes must have beside those that a QuicProxy asks for. Default: none."),
  tolerations: list(toleration, 0, 32, "tolerations")
    .default([])
    .meta({ "x-kubernetes-list-type": "atomic" })
    .describe(
      "What a QuicProxy may tolerate: each of its tolerations must be within one of these. At most 32. Default: nothing.",
    ),
  max: maximum.prefault({}).describe("Upper bounds of what a QuicProxy asks for."),
  resources: resourcesShape.optional().describe("Resources of pods whose QuicProxy does not say others."),
  priorityClassName: text(
    /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$/,
    253,
    'the name of a PriorityClass, or "" for the cluster\'s default',
  )
    .optional()
    .describe(
      "PriorityClass of the pods. Empty: the cluster's default. Default: the operator's --proxy-priority-class, which is " +
        "proxy.priorityClassName of the chart.",
    ),
  capabilities: choice(CAPABILITY_LEVELS)
    .optional()
    .describe(
      "Kernel: NET_BIND_SERVICE, BPF, NET_ADMIN, NET_RAW. Sockets: NET_BIND_SERVICE alone, slower. Default, and the most " +
        "that there is: the operator's --proxy-capabilities, which is proxy.capabilities of the chart.",
    ),
  destinations: destinations
    .prefault({})
    .describe("Where QuicProxies may send, beside the pods of their own namespace."),
  tuning: choice(["Allowed", "Refused"])
    .default("Refused")
    .describe("Whether a QuicProxy may change nodes: tuning.mode Apply."),
  scaling: choice(["Allowed", "Refused"])
    .default("Allowed")
    .describe("Whether a QuicProxy may choose how many nodes run it: scaling and autoscaling."),
});

/** With every default filled in. */
export type ClassSpec = typeof classSpecShape._zod.output;
