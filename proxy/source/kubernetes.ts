import type { BackendSet, BackendsSpec } from "../../crds/backends_schema.ts";
import { PROXY_LABEL } from "../../crds/node_schema.ts";
import type { ApiClient } from "../../kube/client.ts";
import { Informer, type InformerStats, type InformerTimes } from "../../kube/informer.ts";
import type { KubernetesObject } from "../../kube/objects.ts";
import { RESOURCES } from "../../kube/resources.ts";
import { assembleSet, readBackendsSpec } from "./backend_set.ts";

/** The QuicProxyNode of this proxy as the API server has it. */
export interface NodeObject {
  readonly uid: string;
  /** Not checked yet. */
  readonly spec: unknown;
}

export interface NodeObjectOptions {
  readonly client: ApiClient;
  readonly namespace: string;
  readonly name: string;
  /** Called with the object when it is new or changed. Its deletion is no message: what is in force stays. */
  onObject(object: NodeObject): void;
  /** Told of everything that went wrong; the watch goes on by itself. */
  onError(error: Error): void;
  readonly times?: Partial<InformerTimes>;
}

export interface ObjectWatch {
  stats(): InformerStats;
  close(): Promise<void>;
}

/**
 * Watches the one QuicProxyNode that concerns this proxy, for as long as it runs. The API server lets a proxy list and
 * watch by a name that its Role holds, with a field selector on that name.
 */
export function watchNodeObject({ client, namespace, name, onObject, onError, times }: NodeObjectOptions): ObjectWatch {
  const informer = new Informer<NodeObject>({
    client,
    collection: { resource: RESOURCES.quicProxyNodes, namespace, fieldSelector: `metadata.name=${name}` },
    project: projectNodeObject,
    onChange: ({ value, before }) => {
      if (value !== undefined && !isSame(value, before)) onObject(value);
    },
    onError,
    ...(times === undefined ? {} : { times }),
  });
  informer.start();
  return { stats: () => informer.stats(), close: () => informer.stop() };
}

export interface BackendsOptions {
  readonly client: ApiClient;
  readonly namespace: string;
  /** Name of the QuicProxy. */
  readonly proxy: string;
  /** Called with each whole set. What is deleted is no message: what is in force stays. */
  onSet(set: BackendSet): void;
  onError(error: Error): void;
  readonly times?: Partial<InformerTimes>;
}

/** Watches the QuicProxyBackends of one QuicProxy for as long as it runs. */
export function watchBackends({ client, namespace, proxy, onSet, onError, times }: BackendsOptions): ObjectWatch {
  const objects = new Map<string, BackendsSpec>();
  let told = "";
  const informer = new Informer<BackendsSpec>({
    client,
    collection: { resource: RESOURCES.quicProxyBackends, namespace, labelSelector: `${PROXY_LABEL}=${proxy}` },
    project: (raw) => {
      if (raw.metadata.deletionTimestamp !== undefined) return undefined;
      const read = readBackendsSpec((raw as { spec?: unknown }).spec);
      if ("spec" in read) return read.spec;
      throw new Error(`QuicProxyBackends ${raw.metadata.name} is not used: ${read.fault}`);
    },
    onChange: ({ key, value }) => {
      const name = key.slice(key.indexOf("/") + 1);
      if (value === undefined) objects.delete(name);
      else objects.set(name, value);
      const set = assembleSet(proxy, objects);
      const identity = set === undefined ? told : JSON.stringify(objects.get(proxy)?.index);
      if (set === undefined || identity === told) return;
      told = identity;
      onSet(set);
    },
    onError,
    ...(times === undefined ? {} : { times }),
  });
  informer.start();
  return { stats: () => informer.stats(), close: () => informer.stop() };
}

function projectNodeObject(raw: KubernetesObject): NodeObject | undefined {
  if (raw.metadata.deletionTimestamp !== undefined) return undefined;
  return { uid: raw.metadata.uid ?? "", spec: (raw as { spec?: unknown }).spec };
}

/** Our own reports change the object too, and say nothing new. */
function isSame(value: NodeObject, before: NodeObject | undefined): boolean {
  return before !== undefined && value.uid === before.uid && JSON.stringify(value.spec) === JSON.stringify(before.spec);
}
