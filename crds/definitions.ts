import { backendsSpecShape } from "./backends_schema.ts";
import { CLASS_KIND, classSpecShape } from "./class_schema.ts";
import type { CelRule } from "./fields.ts";
import { keySpecShape } from "./key_schema.ts";
import { nodeSpecShape } from "./node_schema.ts";
import { specShape } from "./schema.ts";
import { quicProxyNodeStatusShape, quicProxyStatusShape } from "./status_schema.ts";
import { type StructuralSchema, toStructural } from "./structural.ts";

/** One CustomResourceDefinition and what its documentation needs. */
export interface KindDefinition {
  readonly kind: string;
  readonly plural: string;
  readonly about: string;
  readonly schema: StructuralSchema;
  readonly crd: { readonly metadata: { readonly name: string }; readonly [field: string]: unknown };
}

interface KindInputs {
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly about: string;
  /** Default: Namespaced. */
  readonly scope?: "Namespaced" | "Cluster";
  readonly nameMaxLength: number;
  /** Asked of an object that is created, by name of its field. */
  readonly nameRule?: CelRule;
  readonly spec: StructuralSchema;
  /** Undefined: nobody reports on it. */
  readonly status?: StructuralSchema;
  readonly scale?: object;
  readonly columns: readonly object[];
}

export const GROUP = "quicproxy.io";
export const VERSION = "v1alpha1";

const READY_CONDITION = '.status.conditions[?(@.type=="Ready")]';
const AGE = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

function column(name: string, type: string, jsonPath: string, description: string): object {
  return { name, type, jsonPath, description };
}

const ACCEPTED_CONDITION = '.status.conditions[?(@.type=="Accepted")]';

const QUIC_PROXY_COLUMNS = [
  column("Accepted", "string", `${ACCEPTED_CONDITION}.status`, "Whether the present spec can be run."),
  column("Ready", "string", `${READY_CONDITION}.status`, "Whether every node takes traffic."),
  column("Nodes", "string", ".status.nodes.summary", "Nodes ready of those desired."),
  column("Backends", "string", ".status.backends.summary", "Backends that are well of those that get new flows."),
  column("Workers", "integer", ".status.workers", "Forwarding threads of all nodes."),
  column("Drops/s", "integer", ".status.dropsPerSecond", "Datagrams lost per second on all nodes."),
  column("Unanswered/s", "integer", ".status.unansweredPerSecond", "New flows per second that nothing came back on."),
  AGE,
  { ...column("Message", "string", `${READY_CONDITION}.message`, "Why it is ready or not."), priority: 1 },
];

const NODE_COLUMNS = [
  column(
    "Ready",
    "string",
    ".status.readiness",
    "Whether this node is ready for traffic; Unknown: it does not report.",
  ),
  column("Reported", "date", ".status.reportedAt", "How long ago it reported last."),
  column("Workers", "integer", ".status.workers", "Forwarding threads."),
  column("Drops/s", "integer", ".status.rates.droppedPerSecond", "Datagrams lost per second."),
  column(
    "Unanswered/s",
    "integer",
    ".status.rates.unansweredPerSecond",
    "New flows per second that nothing came back on.",
  ),
  AGE,
  { ...column("Message", "string", ".status.message", "Why it is not ready, or not as asked."), priority: 1 },
  { ...column("Upstream", "string", ".status.upstreamLevel", "How datagrams reach backends."), priority: 1 },
  { ...column("Steering", "string", ".status.steeringLevel", "How datagrams are spread over workers."), priority: 1 },
];

const BACKENDS_COLUMNS = [
  column("Backends", "integer", ".spec.index.count", "How many, in the index; a chunk shows none."),
  column("Serving", "integer", ".spec.index.serving", "How many of them get new flows."),
  column("Source", "string", ".spec.index.source", "Where they come from."),
  AGE,
];

const CLASS_COLUMNS = [
  column("Default", "string", ".metadata.annotations.quicproxy\\.io/is-default-class", "Whether it is the default."),
  column("FlowMemory", "string", ".spec.max.flowMemory", "The most memory for flow tables."),
  column("CIDRs", "string", ".spec.destinations.cidrs", "Addresses beyond the pods of a QuicProxy's own namespace."),
  AGE,
];

const KEY_COLUMNS = [column("Proxy", "string", ".spec.proxy", "The QuicProxy whose key it is."), AGE];

/** All kinds of the API group, as the API server and the documentation want them. */
export function kindDefinitions(): KindDefinition[] {
  return [
    define({
      kind: "QuicProxy",
      plural: "quicproxies",
      shortNames: ["qp"],
      about: "A QuicProxy forwards UDP datagrams of QUIC clients to backends, on the nodes it selects.",
      nameMaxLength: 63,
      nameRule: {
        rule: "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        message:
          'metadata.name: up to 63 of a-z, 0-9 and "-", no dot: the name is the value of a label, and a dot ends it in ' +
          "the names of QuicProxyNodes",
      },
      spec: toStructural(specShape),
      status: toStructural(quicProxyStatusShape),
      scale: {
        specReplicasPath: ".spec.scaling.nodes",
        statusReplicasPath: ".status.nodes.desired",
        labelSelectorPath: ".status.selector",
      },
      columns: QUIC_PROXY_COLUMNS,
    }),
    define({
      kind: CLASS_KIND,
      plural: "quicproxyclasses",
      shortNames: ["qpc"],
      about: "A QuicProxyClass says what QuicProxies may use. The cluster's administrator writes it.",
      scope: "Cluster",
      nameMaxLength: 63,
      nameRule: {
        rule: "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        message: 'metadata.name: up to 63 of a-z, 0-9 and "-", no dot: the same as spec.className of a QuicProxy',
      },
      spec: toStructural(classSpecShape),
      columns: CLASS_COLUMNS,
    }),
    define({
      kind: "QuicProxyNode",
      plural: "quicproxynodes",
      shortNames: ["qpn"],
      about: "A QuicProxyNode is what one node runs for one QuicProxy. The operator makes it; do not edit it.",
      nameMaxLength: 253,
      spec: toStructural(nodeSpecShape),
      status: toStructural(quicProxyNodeStatusShape),
      columns: NODE_COLUMNS,
    }),
    define({
      kind: "QuicProxyBackends",
      plural: "quicproxybackends",
      shortNames: ["qpb"],
      about: "QuicProxyBackends are the backends of one QuicProxy. The operator makes them; do not edit them.",
      nameMaxLength: 253,
      spec: toStructural(backendsSpecShape),
      columns: BACKENDS_COLUMNS,
    }),
    define({
      kind: "QuicProxyKey",
      plural: "quicproxykeys",
      shortNames: ["qpk"],
      about:
        "A QuicProxyKey is the hash key of one QuicProxy. The operator makes it once; it is a secret of its proxies.",
      nameMaxLength: 63,
      spec: toStructural(keySpecShape),
      columns: KEY_COLUMNS,
    }),
  ];
}

function define(inputs: KindInputs): KindDefinition {
  const { kind, plural, about } = inputs;
  const schema = rootSchema(inputs);
  return { kind, plural, about, schema, crd: definition(inputs, schema) };
}

/**
 * A name cannot be changed, and a rule that an object of before breaks would refuse its status and the end of its finalizer:
 * it is asked at the creation only.
 */
function atCreation({ rule, message }: CelRule) {
  return [{ rule: `oldSelf.hasValue() || ${rule}`, message, optionalOldSelf: true }];
}

function rootSchema({ about, nameMaxLength, nameRule, spec, status }: KindInputs): StructuralSchema {
  const text = (description: string): StructuralSchema => ({ description, type: "string" });
  return {
    description: about,
    type: "object",
    required: ["spec"],
    ...(nameRule === undefined ? {} : { "x-kubernetes-validations": atCreation(nameRule) }),
    properties: {
      apiVersion: text("Version of this shape."),
      kind: text("Kind of the object."),
      metadata: { type: "object", properties: { name: { type: "string", maxLength: nameMaxLength } } },
      spec: { ...spec, description: "What is wanted." },
      ...(status === undefined ? {} : { status: { ...status, description: "What is so." } }),
    },
  };
}

function definition(
  { kind, plural, shortNames, scope = "Namespaced", status, scale, columns }: KindInputs,
  schema: StructuralSchema,
): KindDefinition["crd"] {
  const version = {
    name: VERSION,
    served: true,
    storage: true,
    additionalPrinterColumns: columns,
    ...(status === undefined ? {} : { subresources: { status: {}, ...(scale === undefined ? {} : { scale }) } }),
    schema: { openAPIV3Schema: schema },
  };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope,
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase(), shortNames, categories: ["quic"] },
      versions: [version],
    },
  };
}
