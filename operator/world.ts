import type { BackendsIndex, BackendsSpec } from "../crds/backends_schema.ts";
import type { Cidr } from "../crds/cidr.ts";
import type { ClassSpec } from "../crds/class_schema.ts";
import type { QuicProxyNodeStatus, QuicProxyStatus } from "../crds/status_schema.ts";
import type { KubernetesObject, ObjectMeta } from "../kube/objects.ts";

/*
 * What the operator has observed, cut down to what it decides on. plan/ turns a World into desired objects, status.ts
 * into a status; neither asks the API server anything.
 */

export interface ObservedProxy {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly createdAt: string;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
  /** As the API server has it: checked by the CRD, not yet by us. */
  readonly spec: unknown;
  readonly status: Partial<QuicProxyStatus>;
}

export interface ObservedTaint {
  readonly key: string;
  readonly value: string;
  readonly effect: string;
}

export interface ObservedNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly ObservedTaint[];
  /** As the kubelet says, or the node controller in its place. */
  readonly ready: boolean;
  /** Whether its operating system and architecture are those of the image. */
  readonly runsImage: boolean;
  /** Its own, as texts of RFC 5952. */
  readonly addresses: readonly string[];
  /** Of the pods on it, where the network goes by the node's specification. */
  readonly podCidrs: readonly string[];
}

export interface ObservedClass {
  readonly name: string;
  readonly createdAt: string;
  readonly isDefault: boolean;
  /** Undefined: it is none, for the reason in `fault`. */
  readonly spec: ClassSpec | undefined;
  readonly fault: string | undefined;
}

/** A ReferenceGrant of the Gateway API: who may refer to what of its namespace. */
export interface ObservedGrant {
  readonly namespace: string;
  readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[];
  /** Without a name: to all of the kind. */
  readonly to: readonly { readonly group: string; readonly kind: string; readonly name: string | undefined }[];
}

/** What of addresses is everybody's. */
export interface ClusterAddresses {
  /** Of nodes, as texts of RFC 5952. */
  readonly nodes: ReadonlySet<string>;
  /** Cluster, external and load-balancer addresses of Services, as texts of RFC 5952. */
  readonly services: ReadonlySet<string>;
  /** Of the pods of all nodes. */
  readonly podRanges: readonly Cidr[];
}

export interface ServicePort {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
}

export interface ObservedService {
  readonly namespace: string;
  readonly name: string;
  readonly type: string;
  /** The family of its first address: the one whose endpoints are taken where pods have both. */
  readonly family: "IPv4" | "IPv6" | undefined;
  readonly ports: readonly ServicePort[];
  /** By which it is reached, as texts of RFC 5952. */
  readonly addresses: readonly string[];
}

export interface ObservedEndpoint {
  readonly address: string;
  /** Whether it says to be that of a pod of its namespace. */
  readonly isPod: boolean;
  readonly ready: boolean;
  /** Answers, though it may be terminating. */
  readonly serving: boolean;
  readonly terminating: boolean;
}

export interface ObservedSlice {
  readonly namespace: string;
  readonly service: string;
  readonly family: string;
  readonly ports: readonly ServicePort[];
  readonly endpoints: readonly ObservedEndpoint[];
}

/** A QuicProxyNode without its intent, of which only the digest is kept. */
export interface ObservedNodeObject {
  readonly namespace: string;
  readonly name: string;
  readonly proxy: string;
  readonly nodeName: string;
  readonly generation: number;
  readonly hashKey: string;
  /** Whether it has backends, for a proxy of a version before QuicProxyBackends. */
  readonly hasBackends: boolean;
  readonly digest: string;
  /** Whether its proxy is told to say that it is not ready. */
  readonly drain: boolean;
  /** By the clock of the node: what tells one report from the next. Undefined: none, or by a proxy of an older version. */
  readonly reportedAt: string | undefined;
  readonly status: QuicProxyNodeStatus;
  readonly metadata: ObjectMeta;
}

/** A QuicProxyBackends: an index or a chunk. */
export interface ObservedBackends {
  readonly namespace: string;
  readonly name: string;
  readonly proxy: string;
  readonly index: BackendsIndex | undefined;
  readonly backends: BackendsSpec["backends"];
  readonly digest: string;
  readonly metadata: ObjectMeta;
}

/** The QuicProxyKey of a QuicProxy. */
export interface ObservedKey {
  readonly namespace: string;
  readonly proxy: string;
  readonly hashKey: string;
}

export interface ObservedPod {
  readonly namespace: string;
  readonly name: string;
  readonly proxy: string;
  readonly uid: string;
  /** Empty until it is scheduled. */
  readonly nodeName: string;
  /** The node that the DaemonSet made it for, scheduled or not. */
  readonly targetNode: string;
  readonly ready: boolean;
  /** Why it does not run, in the words of the kubelet or the scheduler. */
  readonly trouble: string | undefined;
  readonly terminating: boolean;
  /** Whether its container runs and has passed its startup probe. */
  readonly started: boolean;
  readonly restarts: number;
  /** Of the template that it was made of; undefined: of an operator that did not mark them. */
  readonly template: string | undefined;
  /** Since 1970, by the clock of the API server. */
  readonly createdAtMs: number;
  /** When its readiness last changed or its container last started, by the clock of its node; 0: never. */
  readonly changedAtMs: number;
}

/** A ControllerRevision that holds a spec which was accepted. */
export interface ObservedRevision {
  readonly namespace: string;
  readonly name: string;
  readonly proxy: string;
  /** Of the QuicProxy. */
  readonly ownerUid: string;
  /** Grows with each that is accepted. */
  readonly revision: number;
  /** Since 1970. */
  readonly createdAtMs: number;
  /** The spec, not checked. */
  readonly data: unknown;
  /** What `plan/terms.ts` keeps beside it; undefined: it was accepted before there were classes. */
  readonly terms: string | undefined;
}

/** An event about a DaemonSet that cannot make pods. */
export interface ObservedRefusal {
  readonly namespace: string;
  readonly daemonSet: string;
  /** Since 1970. */
  readonly atMs: number;
  readonly message: string;
}

/** A DaemonSet, ServiceAccount, Role or RoleBinding of ours, whole. */
export interface ObservedChild {
  readonly kind: string;
  readonly object: KubernetesObject;
}

export interface World {
  readonly proxies: readonly ObservedProxy[];
  readonly nodes: readonly ObservedNode[];
  readonly classes: readonly ObservedClass[];
  /** The same object for as long as nothing in it changes. */
  readonly addresses: ClusterAddresses;
  /** ReferenceGrants of a namespace; undefined: the API server serves none. */
  grants(namespace: string): readonly ObservedGrant[] | undefined;
  /** Of the pods of a namespace that EndpointSlices there name, as texts of RFC 5952. */
  podAddresses(namespace: string): ReadonlySet<string>;
  service(namespace: string, name: string): ObservedService | undefined;
  slices(namespace: string, service: string): readonly ObservedSlice[];
  /** Whether a watch told that an address of a Service stopped being ready. A list shows only that it is not. */
  wasSeenToGo(namespace: string, service: string, target: { readonly address: string; readonly port: number }): boolean;
  nodeObjects(namespace: string, proxy: string): readonly ObservedNodeObject[];
  nodeObject(namespace: string, name: string): ObservedNodeObject | undefined;
  /** How long no report came, as far as is known; undefined where none is to be expected. */
  reportAgeMs(namespace: string, name: string): number | undefined;
  backendObject(namespace: string, name: string): ObservedBackends | undefined;
  backendObjects(namespace: string, proxy: string): readonly ObservedBackends[];
  hashKey(namespace: string, proxy: string): string | undefined;
  pods(namespace: string, proxy: string): readonly ObservedPod[];
  /** Pods of all QuicProxies that are on a node, or are made for it. */
  podsOn(nodeName: string): readonly ObservedPod[];
  nodeObjectsOn(nodeName: string): readonly ObservedNodeObject[];
  revisions(namespace: string, proxy: string): readonly ObservedRevision[];
  /** Why a DaemonSet could not make pods lately, in the words of who refused them. */
  podRefusals(namespace: string, daemonSet: string): readonly ObservedRefusal[];
  child(kind: string, namespace: string, name: string): KubernetesObject | undefined;
}
