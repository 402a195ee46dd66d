import { isDeepStrictEqual } from "node:util";
import type { ApiClient } from "../../kube/client.ts";
import { type Change, Informer, type InformerStats, type InformerTimes, type Origin } from "../../kube/informer.ts";
import type { KubernetesObject } from "../../kube/objects.ts";
import { RESOURCES, type Resource } from "../../kube/resources.ts";
import { ACCEPTED_SELECTOR, MANAGED_SELECTOR } from "../names.ts";
import type {
  ObservedNodeObject,
  ObservedPod,
  ObservedProxy,
  ObservedRevision,
  ObservedSlice,
  World,
} from "../world.ts";
import {
  projectChild,
  projectNode,
  projectNodeObject,
  projectPod,
  projectProxy,
  projectRevision,
  projectService,
  projectSlice,
} from "./project.ts";

/** What a change concerns: one QuicProxy, the users of one Service, or everybody. */
export type Concern =
  | { readonly kind: "proxy"; readonly key: string }
  | { readonly kind: "service"; readonly key: string }
  | { readonly kind: "all" };

export interface CachesOptions {
  readonly client: ApiClient;
  /** Undefined: all namespaces. */
  readonly namespace: string | undefined;
  onConcern(concern: Concern): void;
  onError(resource: string, error: Error): void;
  readonly times?: Partial<InformerTimes>;
}

/** The API server ends a watch after this long; a dead connection is noticed soon after. */
const OPERATOR_TIMES: Partial<InformerTimes> = { watchSeconds: 55, stallMs: 75_000 };

/** The caches of everything the operator looks at, and the World they make up. */
export class Caches implements World {
  readonly #options: CachesOptions;
  readonly #informers = new Map<string, Informer<unknown>>();
  readonly #sliceOrigins = new Map<string, Origin>();
  readonly #proxies;
  readonly #nodes;
  readonly #services;
  readonly #slices;
  readonly #nodeObjects;
  readonly #pods;
  readonly #revisions;
  readonly #children: ReadonlyMap<string, Informer<KubernetesObject>>;
  #version = 0;

  constructor(options: CachesOptions) {
    this.#options = options;
    this.#proxies = this.#follow(RESOURCES.quicProxies, projectProxy, concernOfProxy);
    this.#nodes = this.#follow(RESOURCES.nodes, projectNode, () => ({ kind: "all" }));
    this.#services = this.#follow(RESOURCES.services, projectService, ({ key }) => ({ kind: "service", key }));
    this.#slices = this.#follow(RESOURCES.endpointSlices, projectSlice, (change) => this.#onSlice(change));
    this.#nodeObjects = this.#follow(RESOURCES.quicProxyNodes, projectNodeObject, ownerOf);
    this.#pods = this.#follow(RESOURCES.pods, projectPod, ownerOf);
    this.#revisions = this.#follow(RESOURCES.controllerRevisions, projectRevision, ownerOf);
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

  slices(namespace: string, service: string): ObservedSlice[] {
    return this.#slices.values().filter((slice) => slice.namespace === namespace && slice.service === service);
  }

  sliceOrigin(namespace: string, service: string): Origin {
    return this.#sliceOrigins.get(`${namespace}/${service}`) ?? "list";
  }

  nodeObjects(namespace: string, proxy: string): ObservedNodeObject[] {
    return this.#nodeObjects.values().filter((object) => object.namespace === namespace && object.proxy === proxy);
  }

  pods(namespace: string, proxy: string): ObservedPod[] {
    return this.#pods.values().filter((pod) => pod.namespace === namespace && pod.proxy === proxy);
  }

  revisions(namespace: string, proxy: string): ObservedRevision[] {
    return this.#revisions.values().filter((each) => each.namespace === namespace && each.proxy === proxy);
  }

  child(kind: string, namespace: string, name: string): KubernetesObject | undefined {
    return this.#children.get(kind)?.get(`${namespace}/${name}`);
  }

  #follow<T>(
    resource: Resource,
    project: (raw: KubernetesObject) => T | undefined,
    concern: (change: Change<T>) => Concern,
  ): Informer<T> {
    const { client, namespace, onConcern, onError, times } = this.#options;
    const labelSelector = SELECTORS.get(resource.plural);
    const informer = new Informer<T>({
      client,
      collection: {
        resource,
        ...(namespace === undefined || resource.plural === "nodes" ? {} : { namespace }),
        ...(labelSelector === undefined ? {} : { labelSelector }),
      },
      project,
      onChange: (change) => {
        const about = concern(change);
        // Much of what changes in the cluster, such as a node's heartbeat, is nothing that is kept.
        if (isDeepStrictEqual(change.before, change.value)) return;
        this.#version++;
        onConcern(about);
      },
      onError: (error) => onError(resource.plural, error),
      times: { ...OPERATOR_TIMES, ...times },
    });
    this.#informers.set(resource.plural, informer as Informer<unknown>);
    return informer;
  }

  #onSlice({ value, before, origin }: Change<ObservedSlice>): Concern {
    const { namespace, service } = (value ?? before) as ObservedSlice;
    const key = `${namespace}/${service}`;
    this.#sliceOrigins.set(key, origin);
    return { kind: "service", key };
  }
}

/** Kinds of which only our own are watched. */
const SELECTORS: ReadonlyMap<string, string> = new Map([
  ...["pods", "daemonsets", "roles", "rolebindings", "serviceaccounts", "quicproxynodes"].map(
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

function ownerOf({ value, before }: Change<Owned>): Concern {
  const { namespace, proxy } = (value ?? before) as Owned;
  return { kind: "proxy", key: `${namespace}/${proxy}` };
}

function ownerOfChild({ value, before }: Change<KubernetesObject>): Concern {
  const { namespace, labels } = ((value ?? before) as KubernetesObject).metadata;
  return { kind: "proxy", key: `${namespace}/${labels?.["quicproxy.io/proxy"]}` };
}
