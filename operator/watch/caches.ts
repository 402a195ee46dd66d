import { isDeepStrictEqual } from "node:util";
import type { ApiClient } from "../../kube/client.ts";
import { type Change, Informer, type InformerStats, type InformerTimes } from "../../kube/informer.ts";
import type { KubernetesObject } from "../../kube/objects.ts";
import { RESOURCES, type Resource } from "../../kube/resources.ts";
import { ACCEPTED_SELECTOR, MANAGED_SELECTOR, proxyOfChild } from "../names.ts";
import type {
  ObservedBackends,
  ObservedNodeObject,
  ObservedPod,
  ObservedProxy,
  ObservedRefusal,
  ObservedRevision,
  ObservedSlice,
  World,
} from "../world.ts";
import { Departures, type Target } from "./departures.ts";
import { Groups } from "./groups.ts";
import { Heartbeats, isBeatOnly } from "./heartbeats.ts";
import {
  projectBackends,
  projectChild,
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

/** What a change concerns: one QuicProxy, the users of one Service, or everybody. */
export type Concern =
  | { readonly kind: "proxy"; readonly key: string; readonly settleMs?: number | undefined }
  | { readonly kind: "service"; readonly key: string }
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
  readonly #nodes;
  readonly #services;
  readonly #nodeObjects;
  readonly #backendObjects;
  readonly #keys;
  readonly #slicesOf = new Groups<ObservedSlice>(({ namespace, service }) => `${namespace}/${service}`);
  readonly #nodeObjectsOf = new Groups<ObservedNodeObject>(ownerKey);
  readonly #backendObjectsOf = new Groups<ObservedBackends>(ownerKey);
  readonly #podsOf = new Groups<ObservedPod>(ownerKey);
  readonly #podsOn = new Groups<ObservedPod>(({ targetNode }) => targetNode);
  readonly #nodeObjectsOn = new Groups<ObservedNodeObject>(({ nodeName }) => nodeName);
  readonly #refusalsOf = new Groups<ObservedRefusal>(({ namespace, daemonSet }) => `${namespace}/${daemonSet}`);
  readonly #revisionsOf = new Groups<ObservedRevision>(ownerKey);
  readonly #children: ReadonlyMap<string, Informer<KubernetesObject>>;
  #version = 0;

  constructor(options: CachesOptions) {
    this.#options = options;
    this.#heartbeats = new Heartbeats(options.steadyMs);
    this.#proxies = this.#follow(RESOURCES.quicProxies, projectProxy, concernOfProxy);
    this.#nodes = this.#follow(
      RESOURCES.nodes,
      (raw) => projectNode(raw, options.imageLabels),
      () => ({ kind: "all" }),
    );
    this.#services = this.#follow(RESOURCES.services, projectService, (change) => {
      this.#departures.observeService(change);
      return { kind: "service", key: change.key };
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
  }

  start(): void {
    for (const informer of this.#informers.values()) informer.start();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#informers.values()].map((informer) => informer.stop()));
  }

  /** Changes with every change of anything in it. */
  get version(): number {
    return this.#version;
  }

  /** Whether every cache has been filled once. */
  get synced(): boolean {
    return [...this.#informers.values()].every((informer) => informer.stats().synced);
  }

  stats(): ReadonlyMap<string, InformerStats> {
    return new Map([...this.#informers].map(([name, informer]) => [name, informer.stats()]));
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
        ...(namespace === undefined || resource.plural === "nodes" ? {} : { namespace }),
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

  #onSlice(change: Change<ObservedSlice>): Concern {
    this.#slicesOf.take(change);
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
