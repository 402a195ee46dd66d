import type { BackendsSpec } from "../../crds/backends_schema.ts";
import { classSpecShape, DEFAULT_CLASS_ANNOTATION } from "../../crds/class_schema.ts";
import { parseIpAddress } from "../../crds/ip_address.ts";
import type { QuicProxyNodeSpec } from "../../crds/node_schema.ts";
import type { QuicProxyNodeStatus, QuicProxyStatus } from "../../crds/status_schema.ts";
import type { KubernetesObject } from "../../kube/objects.ts";
import { keyOf } from "../../kube/objects.ts";
import { digestOf } from "../digest.ts";
import { PROXY_LABEL, TERMS_ANNOTATION } from "../names.ts";
import { knownBackends } from "../plan/backend_objects.ts";
import { contentDigest } from "../plan/node_objects.ts";
import { templateOf } from "../rollout/template.ts";
import type {
  ObservedBackends,
  ObservedClass,
  ObservedKey,
  ObservedNode,
  ObservedNodeObject,
  ObservedPod,
  ObservedProxy,
  ObservedRefusal,
  ObservedRevision,
  ObservedService,
  ObservedSlice,
} from "../world.ts";

/*
 * Objects of the API -> what is kept of them. A cluster has many objects and the operator little memory, so nothing is
 * cached that no decision looks at.
 */

type Raw<Rest> = KubernetesObject & Rest;

export function projectProxy(raw: KubernetesObject): ObservedProxy {
  const { metadata, spec, status } = raw as Raw<{ spec?: unknown; status?: Partial<QuicProxyStatus> }>;
  const { finalizers = [] } = metadata as { finalizers?: string[] };
  return {
    key: keyOf(raw),
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    uid: metadata.uid ?? "",
    generation: metadata.generation ?? 0,
    createdAt: metadata.creationTimestamp ?? "",
    deleting: metadata.deletionTimestamp !== undefined,
    finalizers,
    spec,
    status: status ?? {},
  };
}

export function projectClass(raw: KubernetesObject): ObservedClass {
  const { metadata, spec } = raw as Raw<{ spec?: unknown }>;
  const { name, creationTimestamp = "", annotations } = metadata;
  const parsed = classSpecShape.safeParse(spec);
  const fault = parsed.error?.issues
    .map(({ path, message }) => `spec.${path.join(".")}: allowed: ${message}`)
    .join("; ");
  const isDefault = annotations?.[DEFAULT_CLASS_ANNOTATION] === "true";
  return { name, createdAt: creationTimestamp, isDefault, spec: parsed.data, fault };
}

type RawNode = {
  spec?: {
    taints?: { key: string; value?: string; effect: string }[];
    podCIDR?: string;
    podCIDRs?: string[];
  };
  status?: { conditions?: { type: string; status: string }[]; addresses?: { type: string; address: string }[] };
};

export function projectNode(
  raw: KubernetesObject,
  imageLabels: Readonly<Record<string, string>>,
): ObservedNode | undefined {
  const { metadata, spec, status } = raw as Raw<RawNode>;
  if (metadata.deletionTimestamp !== undefined) return undefined;
  const ready = status?.conditions?.find(({ type }) => type === "Ready")?.status === "True";
  const taints = (spec?.taints ?? []).map(({ key, value = "", effect }) => ({ key, value, effect }));
  const { name, labels = {} } = metadata;
  const runsImage = Object.entries(imageLabels).every(([key, value]) => labels[key] === value);
  const podCidrs = spec?.podCIDRs ?? (spec?.podCIDR === undefined ? [] : [spec.podCIDR]);
  const addresses = canonicalAddresses((status?.addresses ?? []).map(({ address }) => address));
  return { name, labels, taints, ready, runsImage, addresses, podCidrs };
}

/** As texts of RFC 5952; what is a name or nothing at all is left out. */
function canonicalAddresses(texts: readonly (string | undefined)[]): string[] {
  return texts.flatMap((text) => parseIpAddress(text ?? "")?.text ?? []);
}

type ServiceSpec = {
  type?: string;
  ipFamilies?: ("IPv4" | "IPv6")[];
  clusterIP?: string;
  clusterIPs?: string[];
  externalIPs?: string[];
  loadBalancerIP?: string;
  ports?: { name?: string; port: number; protocol?: string }[];
};

type ServiceStatus = { loadBalancer?: { ingress?: { ip?: string }[] } };

export function projectService(raw: KubernetesObject): ObservedService {
  const { metadata, spec, status } = raw as Raw<{ spec?: ServiceSpec; status?: ServiceStatus }>;
  const ports = (spec?.ports ?? []).map(({ name = "", port, protocol = "TCP" }) => ({ name, port, protocol }));
  const { namespace = "", name } = metadata;
  const { clusterIP, clusterIPs = [], externalIPs = [], loadBalancerIP } = spec ?? {};
  const ingress = (status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip);
  const addresses = canonicalAddresses([clusterIP, ...clusterIPs, ...externalIPs, loadBalancerIP, ...ingress]);
  return {
    namespace,
    name,
    type: spec?.type ?? "ClusterIP",
    family: spec?.ipFamilies?.[0],
    ports,
    addresses: [...new Set(addresses)],
  };
}

type EndpointConditions = { ready?: boolean | null; serving?: boolean | null; terminating?: boolean | null };

type Slice = {
  addressType?: string;
  ports?: { name?: string | null; port?: number | null; protocol?: string | null }[] | null;
  endpoints?: { addresses?: string[]; conditions?: EndpointConditions; targetRef?: TargetRef }[] | null;
};

type TargetRef = { kind?: string; namespace?: string };

/**
 * Only the first address of an endpoint is meant (discovery.k8s.io/v1 gives others no meaning). An unknown ready is true,
 * an unknown serving is as ready is.
 */
export function projectSlice(raw: KubernetesObject): ObservedSlice | undefined {
  const { metadata, addressType = "IPv4", ports, endpoints } = raw as Raw<Slice>;
  const service = metadata.labels?.["kubernetes.io/service-name"];
  if (service === undefined || metadata.deletionTimestamp !== undefined) return undefined;
  const { namespace = "" } = metadata;
  return {
    namespace,
    service,
    family: addressType,
    ports: (ports ?? []).flatMap(({ name, port, protocol }) => {
      return port == null ? [] : [{ name: name ?? "", port, protocol: protocol ?? "TCP" }];
    }),
    endpoints: (endpoints ?? []).flatMap(({ addresses = [], conditions = {}, targetRef }) => {
      const [address] = addresses;
      if (address === undefined) return [];
      const ready = conditions.ready ?? true;
      const { serving = null, terminating } = conditions;
      const isPod = targetRef?.kind === "Pod" && (targetRef.namespace ?? namespace) === namespace;
      return [{ address, isPod, ready, serving: serving ?? ready, terminating: terminating ?? false }];
    }),
  };
}

export function projectNodeObject(raw: KubernetesObject): ObservedNodeObject | undefined {
  const { metadata, spec, status } = raw as Raw<{ spec?: Partial<QuicProxyNodeSpec>; status?: QuicProxyNodeStatus }>;
  if (metadata.deletionTimestamp !== undefined) return undefined;
  const { namespace = "", name, labels, annotations } = metadata;
  const { ownerReferences } = metadata as { ownerReferences?: unknown };
  const { reportedAt, ...report } = status ?? {};
  return {
    namespace,
    name,
    proxy: spec?.proxy ?? "",
    nodeName: spec?.nodeName ?? "",
    generation: spec?.generation ?? 0,
    hashKey: spec?.hashKey ?? "",
    hasBackends: spec?.intent?.backends?.static !== undefined,
    digest: contentDigest(spec ?? {}),
    drain: spec?.drain === true,
    reportedAt,
    status: report,
    metadata: { name, namespace, labels, annotations, ownerReferences } as ObservedNodeObject["metadata"],
  };
}

export function projectBackends(raw: KubernetesObject): ObservedBackends | undefined {
  const { metadata, spec: stored = {} } = raw as Raw<{ spec?: Partial<BackendsSpec> }>;
  if (metadata.deletionTimestamp !== undefined) return undefined;
  const spec = knownBackends(stored);
  const { namespace = "", name, labels, annotations } = metadata;
  const { ownerReferences } = metadata as { ownerReferences?: unknown };
  return {
    namespace,
    name,
    proxy: spec.proxy ?? "",
    index: spec.index,
    backends: spec.backends,
    digest: digestOf(spec),
    metadata: { name, namespace, labels, annotations, ownerReferences } as ObservedBackends["metadata"],
  };
}

export function projectKey(raw: KubernetesObject): ObservedKey | undefined {
  const { metadata, spec } = raw as Raw<{ spec?: { hashKey?: string } }>;
  const { namespace = "", name, deletionTimestamp } = metadata;
  if (deletionTimestamp !== undefined || spec?.hashKey === undefined) return undefined;
  return { namespace, proxy: name, hashKey: spec.hashKey };
}

interface ContainerStatus {
  readonly started?: boolean | null;
  readonly restartCount?: number;
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string };
    readonly running?: { readonly startedAt?: string };
  };
}

interface PodCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string | null;
}

type NodeTerm = { matchFields?: { key: string; values?: string[] }[] };

type Pod = {
  spec?: {
    nodeName?: string;
    affinity?: {
      nodeAffinity?: { requiredDuringSchedulingIgnoredDuringExecution?: { nodeSelectorTerms?: NodeTerm[] } };
    };
  };
  status?: {
    phase?: string;
    reason?: string;
    message?: string;
    conditions?: PodCondition[];
    containerStatuses?: ContainerStatus[];
  };
};

export function projectPod(raw: KubernetesObject): ObservedPod | undefined {
  const { metadata, spec, status } = raw as Raw<Pod>;
  const proxy = metadata.labels?.[PROXY_LABEL];
  if (proxy === undefined) return undefined;
  const { conditions = [], containerStatuses = [] } = status ?? {};
  const readiness = conditions.find(({ type }) => type === "Ready");
  const isReady = readiness?.status === "True";
  const { nodeName = "" } = spec ?? {};
  const [container] = containerStatuses;
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    proxy,
    uid: metadata.uid ?? "",
    nodeName,
    targetNode: nodeName === "" ? targetOf(spec ?? {}) : nodeName,
    ready: isReady && metadata.deletionTimestamp === undefined,
    trouble: isReady ? undefined : (failureOf(status ?? {}) ?? troubleOf(conditions, containerStatuses)),
    terminating: metadata.deletionTimestamp !== undefined,
    ...runOf(container),
    template: templateOf(metadata),
    createdAtMs: msOf(metadata.creationTimestamp),
    changedAtMs: Math.max(msOf(readiness?.lastTransitionTime), msOf(container?.state?.running?.startedAt)),
  };
}

function runOf(container: ContainerStatus | undefined): Pick<ObservedPod, "started" | "restarts"> {
  const isRunning = container?.state?.running !== undefined;
  return { started: isRunning && container.started !== false, restarts: container?.restartCount ?? 0 };
}

function msOf(time: string | null | undefined): number {
  return Date.parse(time ?? "") || 0;
}

/** The scheduler puts a DaemonSet's pod where the DaemonSet controller says: by the name of the node. */
function targetOf({ affinity }: NonNullable<Pod["spec"]>): string {
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  return (
    terms.flatMap(({ matchFields = [] }) => matchFields).find(({ key }) => key === "metadata.name")?.values?.[0] ?? ""
  );
}

/** Evicted by its kubelet, or refused by it: such a pod never runs again. */
function failureOf({ phase, reason, message }: NonNullable<Pod["status"]>): string | undefined {
  return phase === "Failed" ? [reason ?? "Failed", message].filter(Boolean).join(": ") : undefined;
}

const STARTING = new Set(["ContainerCreating", "PodInitializing"]);

function troubleOf(conditions: readonly PodCondition[], containers: readonly ContainerStatus[]): string | undefined {
  const waiting = containers
    .flatMap(({ state }) => state?.waiting ?? [])
    .find(({ reason }) => !STARTING.has(reason ?? ""));
  if (waiting !== undefined) return [waiting.reason, waiting.message].filter(Boolean).join(": ");
  const unscheduled = conditions.find(({ type, status }) => type === "PodScheduled" && status === "False");
  return unscheduled && [unscheduled.reason, unscheduled.message].filter(Boolean).join(": ");
}

export function projectRevision(raw: KubernetesObject): ObservedRevision | undefined {
  const { metadata, revision = 0, data } = raw as Raw<{ revision?: number; data?: unknown }>;
  const { namespace = "", name, labels, annotations, creationTimestamp = "", deletionTimestamp } = metadata;
  const proxy = labels?.[PROXY_LABEL];
  const terms = annotations?.[TERMS_ANNOTATION];
  if (proxy === undefined || deletionTimestamp !== undefined) return undefined;
  const { ownerReferences = [] } = metadata as { ownerReferences?: { uid: string; controller?: boolean }[] };
  const ownerUid = ownerReferences.find(({ controller }) => controller === true)?.uid ?? "";
  return { namespace, name, proxy, ownerUid, revision, createdAtMs: Date.parse(creationTimestamp) || 0, data, terms };
}

type RawEvent = {
  involvedObject?: { name?: string };
  message?: string;
  lastTimestamp?: string | null;
  eventTime?: string | null;
};

export function projectRefusal(raw: KubernetesObject): ObservedRefusal | undefined {
  const { metadata, involvedObject, message = "", lastTimestamp, eventTime } = raw as Raw<RawEvent>;
  if (involvedObject?.name === undefined) return undefined;
  const atMs = Date.parse(lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? "") || 0;
  return { namespace: metadata.namespace ?? "", daemonSet: involvedObject.name, atMs, message };
}

/** A child whole, but without the bookkeeping that is often longer than the object. */
export function projectChild(raw: KubernetesObject): KubernetesObject | undefined {
  if (raw.metadata.deletionTimestamp !== undefined) return undefined;
  const { managedFields: _, ...metadata } = raw.metadata as KubernetesObject["metadata"] & { managedFields?: unknown };
  const { status, ...rest } = raw as Raw<{ status?: { observedGeneration?: number } }>;
  const { observedGeneration } = status ?? {};
  return {
    ...rest,
    metadata,
    ...(observedGeneration === undefined ? {} : { status: { observedGeneration } }),
  } as never;
}
