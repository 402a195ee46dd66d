import { isDeepStrictEqual } from "node:util";
import type { ApiClient } from "../../kube/client.ts";
import { type Change, Informer, type InformerStats, type InformerTimes } from "../../kube/informer.ts";
import type { KubernetesObject } from "../../kube/objects.ts";
import { RESOURCES, type Resource } from "../../kube/resources.ts";
import { ACCEPTED_SELECTOR, MANAGED_SELECTOR, proxyOfChild } from "../names.ts";
import { podAddressesOf } from "../plan/endpoints.ts";
import type {
  ClusterAddresses,
  ObservedBackends,
  ObservedNode,
  ObservedNodeObject,
  ObservedPod,
  ObservedProxy,
  ObservedRefusal,
  ObservedRevision,
  ObservedService,
  ObservedSlice,
  World,
} from "../world.ts";
import { clusterAddresses } from "./addresses.ts";
import { Departures, type Target } from "./departures.ts";
import { Grants } from "./grants.ts";
import { Groups } from "./groups.ts";
import { Heartbeats, isBeatOnly } from "./heartbeats.ts";
import {
  projectBackends,
  projectChild,
  projectClass,
  projectKey,
  projectNode,
  projectNodeObject,
  projectPod,
  projectProxy,
  projectRefusal,
  projectRevision,
  projectService,
  projectSlice,
} from "./project.ts";
import { reportSettleMs } from "./reports.ts";

/**
 * What a change concerns: one QuicProxy, the users of one Service and whoever names addresses of its namespace, or everybody.
 */
export type Concern =
  | { readonly kind: "proxy"; readonly key: string; readonly settleMs?: number | undefined }
  | { readonly kind: "service"; readonly key: string; readonly isAddressChange?: boolean }
  | { readonly kind: "all" };

export interface CachesOptions {
  readonly client: ApiClient;
  /** Undefined: all namespaces. */
  readonly namespace: string | undefined;
  /** Of the nodes that can run the image. */
  readonly imageLabels: Readonly<Record<string, string>>;
  onConcern(concern: Concern): void;
  onError(resource: string, error: Error): void;
  onRecovered(resource: string): void;
  /** A clock that never jumps. */
  readonly steadyMs: () => number;
  readonly times?: Partial<InformerTimes>;
  /** How often it is looked for ReferenceGrants while the API server serves none. */
  readonly lookEveryMs?: number | undefined;
}

/** The API server ends a watch after this long; a dead connection is noticed soon after. */
const OPERATOR_TIMES: Partial<InformerTimes> = { watchSeconds: 55, stallMs: 75_000 };

/** The caches of everything the operator looks at, and the World they make up. */
export class Caches implements World {
  readonly #options: CachesOptions;
  readonly #informers = new Map<string, Informer<unknown>>();
  readonly #departures = new Departures();
  readonly #heartbeats: Heartbeats;
  readonly #proxies;
  readonly #classes;
  readonly #nodes;
  readonly #services;
  readonly #nodeObjects;
  readonly #backendObjects;
  readonly #keys;
  readonly #slicesIn = new Groups<ObservedSlice>(({ namespace }) => namespace);
  readonly #slicesOf = new Groups<ObservedSlice>(({ namespace, service }) => `${namespace}/${service}`);
  readonly #nodeObjectsOf = new Groups<ObservedNodeObject>(ownerKey);
  readonly #backendObjectsOf = new Groups<ObservedBackends>(ownerKey);
  readonly #podsOf = new Groups<ObservedPod>(ownerKey);
  readonly #podsOn = new Groups<ObservedPod>(({ targetNode }) => targetNode);
  readonly #nodeObjectsOn = new Groups<ObservedNodeObject>(({ nodeName }) => nodeName);
  readonly #refusalsOf = new Groups<ObservedRefusal>(({ namespace, daemonSet }) => `${namespace}/${daemonSet}`);
  readonly #revisionsOf = new Groups<ObservedRevision>(ownerKey);
  readonly #children: ReadonlyMap<string, Informer<KubernetesObject>>;
  /** Undefined: the operator sees one namespace only, in which there are no others to refer to. */
  readonly #grants: Grants | undefined;
  #addresses: ClusterAddresses | undefined;
  #version = 0;

  constructor(options: CachesOptions) {
    this.#options = options;
    this.#heartbeats = new Heartbeats(options.steadyMs);
    this.#proxies = this.#follow(RESOURCES.quicProxies, projectProxy, concernOfProxy);
    this.#classes = this.#follow(RESOURCES.quicProxyClasses, projectClass, () => ({ kind: "all" }));
    this.#nodes = this.#follow(
      RESOURCES.nodes,
      (raw) => projectNode(raw, options.imageLabels),
      (change) => {
        if (hasOtherAddresses(change)) this.#addresses = undefined;
        return { kind: "all" };
      },
    );
    this.#services = this.#follow(RESOURCES.services, projectService, (change) => {
      this.#departures.observeService(change);
      const isAddressChange = hasOtherAddresses(change);
      if (isAddressChange) this.#addresses = undefined;
      return { kind: "service", key: change.key, isAddressChange };
    });
    this.#follow(RESOURCES.endpointSlices, projectSlice, (change) => this.#onSlice(change));
    this.#nodeObjects = this.#follow(RESOURCES.quicProxyNodes, projectNodeObject, (change) => {
      this.#nodeObjectsOf.take(change);
      this.#nodeObjectsOn.take(change);
      this.#heartbeats.take(change);
      if (isBeatOnly(change)) return undefined;
      return { ...ownerOf(change), settleMs: reportSettleMs(change) };
    });
    this.#backendObjects = this.#follow(RESOURCES.quicProxyBackends, projectBackends, grouped(this.#backendObjectsOf));
    this.#keys = this.#follow(RESOURCES.quicProxyKeys, projectKey, ownerOf);
    this.#follow(RESOURCES.pods, projectPod, grouped(this.#podsOf, this.#podsOn));
    this.#follow(RESOURCES.coreEvents, projectRefusal, (change) => {
      this.#refusalsOf.take(change);
      const { namespace, daemonSet } = (change.value ?? change.before) as ObservedRefusal;
      return { kind: "proxy", key: `${namespace}/${proxyOfChild(daemonSet)}` };
    });
    this.#follow(RESOURCES.controllerRevisions, projectRevision, grouped(this.#revisionsOf));
    const { daemonSets, roles, roleBindings, serviceAccounts } = RESOURCES;
    this.#children = new Map(
      [daemonSets, roles, roleBindings, serviceAccounts].map((resource) => [
        resource.kind,
        this.#follow(resource, projectChild, ownerOfChild),
      ]),
    );
    this.#grants = options.namespace === undefined ? this.#followGrants() : undefined;
  }

  start(): void {
    for (const informer of this.#informers.values()) informer.start();
    this.#grants?.start();
  }

  async stop(): Promise<void> {
    await Promise.all(
      [...this.#informers.values(), ...(this.#grants ? [this.#grants] : [])].map((each) => each.stop()),
    );
  }

  /** Changes with every change of anything in it. */
  get version(): number {
    return this.#version;
  }

  /** Whether every cache has been filled once. */
  get synced(): boolean {
    const isSynced = [...this.#informers.values()].every((informer) => informer.stats().synced);
    return isSynced && (this.#grants?.synced ?? true);
  }

  stats(): ReadonlyMap<string, InformerStats> {
    const stats = new Map([...this.#informers].map(([name, informer]) => [name, informer.stats()]));
    const grants = this.#grants?.stats();
    return grants === undefined ? stats : stats.set("referencegrants", grants);
  }

  /** Takes the answer to an own write. */
  assume({ plural }: Resource, object: KubernetesObject): void {
    this.#informers.get(plural)?.assume(object);
  }

  get proxies() {
    return this.#proxies.values();
  }

  get nodes() {
    return this.#nodes.values();
  }

  get classes() {
    return this.#classes.values();
  }

  get addresses(): ClusterAddresses {
    this.#addresses ??= clusterAddresses(this.#nodes.values(), this.#services.values());
    return this.#addresses;
  }

  grants(namespace: string) {
    return this.#grants?.of(namespace);
  }

  podAddresses(namespace: string): ReadonlySet<string> {
    return podAddressesOf(this.#slicesIn.of(namespace));
  }

  service(namespace: string, name: string) {
    return this.#services.get(`${namespace}/${name}`);
  }

  slices(namespace: string, service: string): readonly ObservedSlice[] {
    return this.#slicesOf.of(`${namespace}/${service}`);
  }

  wasSeenToGo(namespace: string, service: string, target: Target): boolean {
    return this.#departures.wasSeenToGo(namespace, service, target);
  }

  nodeObjects(namespace: string, proxy: string): readonly ObservedNodeObject[] {
    return this.#nodeObjectsOf.of(`${namespace}/${proxy}`);
  }

  nodeObject(namespace: string, name: string): ObservedNodeObject | undefined {
    return this.#nodeObjects.get(`${namespace}/${name}`);
  }

  reportAgeMs(namespace: string, name: string): number | undefined {
    return this.#heartbeats.ageMs(`${namespace}/${name}`, this.#nodeObjects.stats().lastEventAgeMs);
  }

  backendObjects(namespace: string, proxy: string): readonly ObservedBackends[] {
    return this.#backendObjectsOf.of(`${namespace}/${proxy}`);
  }

  backendObject(namespace: string, name: string): ObservedBackends | undefined {
    return this.#backendObjects.get(`${namespace}/${name}`);
  }

  hashKey(namespace: string, proxy: string): string | undefined {
    return this.#keys.get(`${namespace}/${proxy}`)?.hashKey;
  }

  pods(namespace: string, proxy: string): readonly ObservedPod[] {
    return this.#podsOf.of(`${namespace}/${proxy}`);
  }

  podsOn(nodeName: string): readonly ObservedPod[] {
    return this.#podsOn.of(nodeName);
  }

  nodeObjectsOn(nodeName: string): readonly ObservedNodeObject[] {
    return this.#nodeObjectsOn.of(nodeName);
  }

  revisions(namespace: string, proxy: string): readonly ObservedRevision[] {
    return this.#revisionsOf.of(`${namespace}/${proxy}`);
  }

  podRefusals(namespace: string, daemonSet: string): readonly ObservedRefusal[] {
    return this.#refusalsOf.of(`${namespace}/${daemonSet}`);
  }

  child(kind: string, namespace: string, name: string): KubernetesObject | undefined {
    return this.#children.get(kind)?.get(`${namespace}/${name}`);
  }

  #follow<T>(
    resource: Resource,
    project: (raw: KubernetesObject) => T | undefined,
    concern: (change: Change<T>) => Concern | undefined,
  ): Informer<T> {
    const { client, namespace, onConcern, onError, onRecovered, times } = this.#options;
    const labelSelector = SELECTORS.get(resource.plural);
    const informer = new Informer<T>({
      client,
      collection: {
        resource,
        ...(namespace === undefined || OF_NO_NAMESPACE.has(resource.plural) ? {} : { namespace }),
        ...(labelSelector === undefined ? {} : { labelSelector }),
        ...(resource === RESOURCES.coreEvents ? { fieldSelector: POD_REFUSALS } : {}),
      },
      project,
      onChange: (change) => {
        const about = concern(change);
        // Much of what changes in the cluster, such as a node's heartbeat, is nothing that is kept.
        if (about === undefined || isDeepStrictEqual(change.before, change.value)) return;
        this.#version++;
        onConcern(about);
      },
      onError: (error) => onError(resource.plural, error),
      onRecovered: () => {
        if (resource === RESOURCES.quicProxyNodes) this.#heartbeats.resumed();
        onRecovered(resource.plural);
      },
      times: { ...OPERATOR_TIMES, ...times },
    });
    this.#informers.set(resource.plural, informer as Informer<unknown>);
    return informer;
  }

  #followGrants(): Grants {
    const { client, onConcern, onError, onRecovered, times, lookEveryMs } = this.#options;
    return new Grants({
      client,
      onChange: () => {
        this.#version++;
        onConcern({ kind: "all" });
      },
      onError: (error) => onError("referencegrants", error),
      onRecovered: () => onRecovered("referencegrants"),
      times: { ...OPERATOR_TIMES, ...times },
      ...(lookEveryMs === undefined ? {} : { lookEveryMs }),
    });
  }

  #onSlice(change: Change<ObservedSlice>): Concern {
    this.#slicesOf.take(change);
    this.#slicesIn.take(change);
    this.#departures.observe(change);
    const { namespace, service } = (change.value ?? change.before) as ObservedSlice;
    return { kind: "service", key: `${namespace}/${service}` };
  }
}

function grouped<T extends Owned>(...groups: readonly Groups<T>[]): (change: Change<T>) => Concern {
  return (change) => {
    for (const group of groups) group.take(change);
    return ownerOf(change);
  };
}

/** Of what everybody's is a change; what was not there has none. */
function hasOtherAddresses({ value, before }: Change<ObservedNode> | Change<ObservedService>): boolean {
  const partsOf = (part: Partial<ObservedNode> | undefined): unknown[] => [part?.addresses ?? [], part?.podCidrs ?? []];
  return !isDeepStrictEqual(partsOf(value), partsOf(before));
}

const OF_NO_NAMESPACE: ReadonlySet<string> = new Set(["nodes", "quicproxyclasses"]);

const POD_REFUSALS = "involvedObject.kind=DaemonSet,reason=FailedCreate";

/** Kinds of which only our own are watched. */
const SELECTORS: ReadonlyMap<string, string> = new Map([
  ...["pods", "daemonsets", "roles", "rolebindings", "serviceaccounts", "quicproxynodes", "quicproxybackends"].map(
    (plural): [string, string] => [plural, MANAGED_SELECTOR],
  ),
  ["controllerrevisions", ACCEPTED_SELECTOR],
]);

/** A status concerns nobody else; a spec may take a port that others want, or free it. */
function concernOfProxy({ key, value, before }: Change<ObservedProxy>): Concern {
  const isStatusOnly = value !== undefined && isDeepStrictEqual(value, before && { ...before, status: value.status });
  return isStatusOnly ? { kind: "proxy", key } : { kind: "all" };
}

interface Owned {
  readonly namespace: string;
  readonly proxy: string;
}

function ownerKey({ namespace, proxy }: Owned): string {
  return `${namespace}/${proxy}`;
}

function ownerOf({ value, before }: Change<Owned>): Concern {
  return { kind: "proxy", key: ownerKey((value ?? before) as Owned) };
}

function ownerOfChild({ value, before }: Change<KubernetesObject>): Concern {
  const { namespace, labels } = ((value ?? before) as KubernetesObject).metadata;
  return { kind: "proxy", key: `${namespace}/${labels?.["quicproxy.io/proxy"]}` };
}
