import { z } from "zod";
import { backendHealth } from "./backend_health.ts";
import {
  choice,
  countOrPercent,
  duration,
  flag,
  integer,
  ipAddress,
  labelMap,
  list,
  mapping,
  objectName,
  port,
  size,
  text,
  textMap,
  validations,
} from "./fields.ts";
import { resourcesShape } from "./resources_schema.ts";
import { toleration } from "./toleration_schema.ts";

/*
 * The one source of the QuicProxy shape: the manifest of `quicproxy run`, the types, the CRD and its documentation.
 * Only plain objects, lists, texts, numbers and words, so that it converts to a structural CRD schema; a variant is an
 * optional sub-object plus a rule "exactly one of". Rules that look at more than one field are in rules.ts; those that
 * the API server can decide as well stand here once more in its language, as `validations`.
 */

export const API_VERSION = "quicproxy.io/v1alpha1";
export const KIND = "QuicProxy";

/** Defaults that rules must know where a manifest leaves the field out. */
export const DEFAULTS = {
  mode: "RunToCompletion",
  fallback: "FourTuple",
  minWorkers: 1,
  maxWorkers: 8,
  firstUpstreamPort: 10_240,
  lastUpstreamPort: 29_951,
  minNodes: 1,
} as const;

/** The entries of a list are told apart by these fields; the API server refuses two alike. */
function listMap(...keys: readonly string[]): Record<string, unknown> {
  return { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys };
}

const listener = mapping({
  port: port().describe("UDP port to receive client datagrams on, 1 to 65535."),
  address: ipAddress(
    ["unicast", "loopback", "unspecified"],
    "an IPv4 or IPv6 address of this host (0.0.0.0: all IPv4, :: all IPv6; not multicast, link-local or IPv4-mapped)",
  )
    .optional()
    .describe(
      "IP literal to receive on. Default: all IPv4 addresses and, where the host has IPv6, all IPv6 addresses.",
    ),
});

const serviceBackends = mapping({
  name: objectName("the name of a Service").describe("Name of the Service whose endpoints are the backends."),
  namespace: objectName("a namespace")
    .optional()
    .describe(
      "Namespace of the Service. Default: that of the QuicProxy. Another one needs a ReferenceGrant there, of the Gateway API, " +
        "from kind QuicProxy of group quicproxy.io in this namespace to kind Service.",
    ),
  port: port().optional().describe("Port of the Service by number, 1 to 65535. Exactly one of port and portName."),
  portName: objectName("the name of a port of the Service")
    .optional()
    .describe("Port of the Service by name. Exactly one of port and portName."),
}).meta(validations({ rule: "has(self.port) != has(self.portName)", message: "exactly one of port and portName" }));

export const staticBackend = mapping({
  address: ipAddress(
    ["unicast", "loopback"],
    "the IPv4 or IPv6 address of one host (not unspecified, multicast, broadcast, link-local or IPv4-mapped)",
  ).describe("IP literal of the backend."),
  port: port().describe("UDP port of the backend, 1 to 65535."),
  weight: integer(0, 65_535)
    .default(1)
    .describe("Share of new flows relative to the other backends, 0 to 65535. 0: keeps its flows, gets no new one."),
  serverId: text(
    /^([0-9A-Fa-f]{2}){1,15}$/,
    30,
    'an even number of 2 to 30 hexadecimal digits in quotes, such as "c4605e"',
  )
    .optional()
    .describe(
      "QUIC-LB server ID in hexadecimal, 1 to 15 octets; its length is one of routing.quicLB[].serverIdLength.",
    ),
});

const backendFields = {
  service: serviceBackends.optional().describe("Backends from the EndpointSlices of a Service. Needs a cluster."),
  static: list(staticBackend, 0, 16_384, "backends")
    .optional()
    .meta(listMap("address", "port"))
    .describe("Backends by address. At most 16384. An empty list is valid: the proxy is healthy but not ready."),
  health: backendHealth.prefault({}).describe("When a backend is given no new flow because it seems to be down."),
};

const backends = mapping(backendFields).meta(
  validations({ rule: "has(self.service) != has(self.static)", message: "exactly one of service and static" }),
);

const quicLbConfig = mapping({
  rotation: integer(0, 6).describe("Config rotation bits of the Connection ID, 0 to 6. Unique in the list."),
  serverIdLength: integer(1, 15).describe("Octets of the server ID, 1 to 15. With the nonce at most 19."),
  nonceLength: integer(4, 18).describe("Octets of the nonce, 4 to 18. With the server ID at most 19."),
  key: mapping({
    secretRef: mapping({
      name: objectName("the name of a Secret").describe(
        "Name of a Secret in the QuicProxy's namespace. Another name restarts the proxies, but for quicproxy-NAME-keys.",
      ),
      key: text(/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/, 253, "the name of an entry of a Secret")
        .optional()
        .describe("Entry of the Secret. Another one needs no restart. Default: key."),
    })
      .optional()
      .describe("Secret that holds the key: 32 hexadecimal digits or 16 octets."),
    file: text(/^[^\r\n]+$/, 4096, "the path of a key file")
      .optional()
      .describe(
        "File that holds the key: 32 hexadecimal digits or 16 octets. Relative to the manifest. Not in a cluster.",
      ),
  })
    .optional()
    .meta(validations({ rule: "has(self.secretRef) != has(self.file)", message: "exactly one of secretRef and file" }))
    .describe("AES-128 key of this config: exactly one of secretRef and file. Absent: server IDs are in plain text."),
}).meta(
  validations({
    rule: "self.serverIdLength + self.nonceLength <= 19",
    message: "serverIdLength and nonceLength: a sum of at most 19 octets",
  }),
);

const routing = mapping({
  quicLB: list(quicLbConfig, 0, 7, "QUIC-LB configs")
    .optional()
    .meta(listMap("rotation"))
    .describe("Routable Connection IDs (draft-ietf-quic-load-balancers). At most 7. Default: none."),
  fallback: choice(["FourTuple", "ConnectionID"])
    .default(DEFAULTS.fallback)
    .describe(
      "What picks the backend of an unknown flow: FourTuple, or ConnectionID for protocols whose ID never changes.",
    ),
  connectionIdLength: integer(1, 20)
    .optional()
    .describe(
      "Octets of the Connection ID in short headers, 1 to 20. Default: learned from the servers' long headers.",
    ),
  idleTimeout: duration("1s", "24h")
    .default("120s")
    .describe(
      "How long a flow without datagrams is remembered, 1s to 24h. RFC 9312 asks for at least 120 s. A flow whose client " +
        "has not shown yet that it receives is forgotten after 30 s in any case.",
    ),
}).meta(
  validations({
    rule: "self.fallback != 'ConnectionID' || has(self.connectionIdLength)",
    message: "fallback ConnectionID needs connectionIdLength: short headers do not carry the length",
  }),
);

const workers = mapping({
  min: integer(1, 64).default(DEFAULTS.minWorkers).describe("Fewest forwarding threads, 1 to 64."),
  max: integer(1, 64)
    .default(DEFAULTS.maxWorkers)
    .describe("Most forwarding threads, 1 to 64. The number of CPUs decides between."),
}).meta(validations({ rule: "self.min <= self.max", message: "min at most max" }));

const upstreamPorts = mapping({
  first: integer(1024, 65_535).default(DEFAULTS.firstUpstreamPort).describe("First of the ports, 1024 to 65535."),
  last: integer(1024, 65_535).default(DEFAULTS.lastUpstreamPort).describe("Last of the ports, 1024 to 65535."),
})
  .meta(
    validations({
      // The last whole block of 256 ports ends at or behind the end of the first one.
      rule: "(self.last + 1) / 256 > (self.first + 255) / 256",
      message: "first to last: at least one whole block of 256 ports, which begins at a multiple of 256",
    }),
  )
  .describe(
    "Source ports toward backends where no socket is opened per flow; whole blocks of 256 ports are used, several proxies " +
      "share them. Flows to one backend from one local address are at most as many. Default: outside " +
      "net.ipv4.ip_local_port_range and the node ports of Kubernetes.",
  );

const dataPlane = mapping({
  mode: choice(["RunToCompletion", "Decoupled", "Baseline"])
    .default(DEFAULTS.mode)
    .describe(
      "RunToCompletion: each worker receives, routes and forwards. Decoupled: each worker has a receiving thread beside it " +
        "and a ring of 1,024 messages between, which takes 4 to 8 MiB, 66 MiB at most; what finds the ring full is dropped " +
        "and counted. Baseline: one thread, one datagram per system call, for comparison.",
    ),
  fastPath: choice(["Auto", "Disabled", "XDP", "AFXDP"])
    .default("Auto")
    .describe("Auto: the fastest way this host and version offer, sockets otherwise. Disabled: sockets only."),
  workers: workers
    .prefault({})
    .describe(
      "How many forwarding threads run, in mode Decoupled each with a receiving thread; may change while traffic flows. " +
        "Baseline always runs one.",
    ),
  receiveBuffer: size("4Ki", "1Gi")
    .default("8Mi")
    .describe("Receive buffer of each socket, 4Ki to 1Gi, as asked of the kernel."),
  sendBuffer: size("4Ki", "1Gi")
    .default("4Mi")
    .describe("Send buffer of each socket, 4Ki to 1Gi, as asked of the kernel."),
  batch: integer(1, 1024)
    .default(64)
    .describe("Datagrams per receive or send call, 1 to 1024. Baseline always takes one."),
  flowMemory: size("1Mi", "64Gi")
    .default("64Mi")
    .describe(
      "Memory of the flow tables of all workers together, 1Mi to 64Gi; 64Mi hold some 267,000 flows. Workers that are " +
        "added later get an equal share while the others keep theirs: up to twice as much until the proxy restarts.",
    ),
  upstreamLevel: choice(["Auto", "Sockets"])
    .default("Auto")
    .describe(
      "How datagrams reach backends. Auto: without a socket per flow where the process may (CAP_NET_RAW, CAP_NET_ADMIN " +
        "and CAP_BPF), by Sockets otherwise. Sockets: one connected socket per flow. Baseline always uses sockets.",
    ),
  upstreamPorts: upstreamPorts.prefault({}),
  upstreamSockets: integer(1, 1_048_576)
    .optional()
    .describe(
      "Most sockets toward backends, where there is one per flow, of all workers together, 1 to 1048576. Default: what " +
        "the open-file limit leaves.",
    ),
  newFlowsPerSecond: integer(1, 10_000_000)
    .default(20_000)
    .describe(
      "Flows of unknown clients that each worker may begin per second, 1 to 10000000, and as many again of connections " +
        "that moved. More are refused and counted.",
    ),
  sampleOneIn: integer(1, 1_000_000_000)
    .default(10_000)
    .describe("One connection in this many is logged along its whole way, 1 to 1000000000."),
}).meta(
  validations({
    rule: "!has(self.upstreamSockets) || self.mode == 'Baseline' || self.upstreamSockets >= self.workers.max",
    message: "upstreamSockets: at least one socket for each worker that workers.max allows",
  }),
);

const metrics = mapping({
  address: ipAddress(["unicast", "loopback", "unspecified"], "an IPv4 or IPv6 address of this host")
    .default("127.0.0.1")
    .describe("IP literal on which /metrics, /healthz, /readyz and /counters answer."),
  port: integer(0, 65_535, "a port number from 1 to 65535, or 0 for no metrics and health")
    .default(9464)
    .describe("TCP port of the same, 1 to 65535. 0: nothing listens."),
});

const nodes = mapping({
  selector: labelMap().optional().describe("Labels of the nodes that run the proxy. Default: every node."),
  tolerations: list(toleration, 0, 32, "tolerations")
    .optional()
    .describe("Taints that do not keep the proxy off a node. At most 32. Default: none."),
});

const scaling = mapping({
  nodes: integer(0, 5000)
    .optional()
    .describe(
      "How many of the matching nodes run the proxy, 0 to 5000. Default: all of them. kubectl scale sets this field. A " +
        "HorizontalPodAutoscaler reads it first: set it once, to what to begin with, before there is one.",
    ),
});

const rollout = mapping({
  maxUnavailable: countOrPercent(5000)
    .default(1)
    .describe(
      'Nodes that may be without a ready proxy at a time because it is replaced: 1 to 5000, or a percentage such as "25%", ' +
        "rounded up. The first node of a change is replaced alone.",
    ),
  drain: duration("0s", "1h")
    .default("0s")
    .describe(
      "How long a proxy says that it is not ready, and forwards all the same, before it is replaced, 0s to 1h: what spreads " +
        "clients over nodes needs to notice. 0s: it is replaced at once, for where nothing looks at readiness.",
    ),
  paused: flag().default(false).describe("Replaces no proxy for now; what is under way is finished by itself."),
});

const tuning = mapping({
  mode: choice(["Observe", "Apply"])
    .default("Observe")
    .describe("Observe: report what would be changed. Apply: change the node."),
  rps: choice(["Auto", "Disabled"]).default("Auto").describe("Receive packet steering."),
  rfs: choice(["Auto", "Disabled"]).default("Auto").describe("Receive flow steering."),
  rss: choice(["Auto", "Disabled"])
    .default("Auto")
    .describe("Receive queues of the NIC, their hash fields and indirection."),
  noTrack: flag().default(false).describe("Keep the proxy's ports out of connection tracking."),
});

const autoscaling = mapping({
  minNodes: integer(1, 5000).default(DEFAULTS.minNodes).describe("Fewest nodes, 1 to 5000."),
  maxNodes: integer(1, 5000).describe("Most nodes, 1 to 5000."),
  target: mapping({
    dropRatio: text(
      /^(0(\.[0-9]{1,12})?|1|[1-9](\.[0-9]{1,6})?e-[1-9][0-9]?)$/,
      24,
      'a share from 0 to 1 in quotes, such as "1e-5"',
    )
      .default("1e-5")
      .describe("Share of datagrams that may be lost, 0 to 1."),
  })
    .prefault({})
    .describe("What is held by scaling."),
  scaleDownStabilization: duration("0s", "24h")
    .default("10m")
    .describe("How long pressure must stay low before a node goes, 0s to 24h."),
}).meta(validations({ rule: "self.minNodes <= self.maxNodes", message: "minNodes at most maxNodes" }));

export const specShape = mapping({
  className: objectName("the name of a QuicProxyClass")
    .optional()
    .describe(
      "Name of the QuicProxyClass that says what this QuicProxy may use. Default: the class that is marked as the default. " +
        "Only in a cluster.",
    ),
  listeners: list(listener, 1, 32, "listeners")
    .meta(
      validations({
        rule:
          "self.all(a, self.filter(b, a.port == b.port && " +
          "(!has(a.address) || !has(b.address) || a.address == b.address)).size() == 1)",
        message: "each address and port in one listener; one without address takes every address of its port",
      }),
    )
    .describe("Where client datagrams arrive. 1 to 32."),
  backends: backends.describe("Where they go. Exactly one of service and static."),
  routing: routing.prefault({}).describe("How the backend of a datagram is found."),
  dataPlane: dataPlane.prefault({}).describe("How datagrams are moved."),
  metrics: metrics
    .prefault({})
    .describe("Where metrics and health are served. What cannot be had is said in the status and stops nothing."),
  nodes: nodes.optional().describe("Which nodes run the proxy. Only in a cluster."),
  resources: resourcesShape
    .optional()
    .describe(
      "Processor time and memory of each proxy pod, within what its class allows. Default: what the class says, else " +
        "requests of 100m and of the memory that the settings need, and no limits. Another value restarts the proxies. Only " +
        "in a cluster.",
    ),
  scaling: scaling.optional().describe("On how many of those nodes. Only in a cluster."),
  rollout: rollout.optional().describe("How proxies are replaced where a change needs it. Only in a cluster."),
  tuning: tuning.optional().describe("What may be changed on those nodes. Only in a cluster."),
  autoscaling: autoscaling.optional().describe("How many nodes run the proxy. Only in a cluster."),
});

const metadata = z.looseObject(
  {
    name: objectName("a name").describe("Name of the QuicProxy, at most 63 characters."),
    namespace: objectName("a namespace").optional().describe("Namespace. Default outside a cluster: default."),
    labels: textMap(63).optional().describe("Labels."),
    annotations: textMap(262_144).optional().describe("Annotations."),
  },
  { error: "a mapping with at least the key name" },
);

export const quicProxyShape = mapping({
  apiVersion: z.literal(API_VERSION, { error: API_VERSION }).describe("Version of this shape."),
  kind: z.literal(KIND, { error: KIND }).describe("Kind of the object."),
  metadata: metadata.describe("Name, labels and whatever else Kubernetes keeps there."),
  spec: specShape.describe("What is wanted."),
  status: z.looseObject({}).optional().describe("Written by the operator; not read from a manifest."),
});

/**
 * What a QuicProxyNode carries of a spec: all that the proxy on a node runs on, but for the backends, which are in
 * QuicProxyBackends. `static` is for proxies of a version before those were.
 */
export const intentShape = specShape.pick({ listeners: true, routing: true, dataPlane: true, metrics: true }).extend({
  backends: mapping({ static: backendFields.static, health: backendFields.health }).describe("Where they go."),
});

/** A QuicProxy with every default filled in. */
export type QuicProxy = z.output<typeof quicProxyShape>;
export type QuicProxySpec = z.output<typeof specShape>;
/** A spec as somebody wrote it. */
export type QuicProxySpecInput = z.input<typeof specShape>;
