import { pause } from "../../kube/backoff.ts";
import type { ApiClient } from "../../kube/client.ts";
import { hasStatus } from "../../kube/errors.ts";
import { type Change, Informer, type InformerStats, type InformerTimes } from "../../kube/informer.ts";
import type { KubernetesObject } from "../../kube/objects.ts";
import type { Resource } from "../../kube/resources.ts";
import type { ObservedGrant } from "../world.ts";
import { Groups } from "./groups.ts";

export interface GrantsOptions {
  readonly client: ApiClient;
  /** Something about grants has changed. */
  onChange(): void;
  onError(error: Error): void;
  onRecovered(): void;
  readonly times: Partial<InformerTimes>;
  /** How often it is looked whether the kind is served, while it is not. Default: 15 s. */
  readonly lookEveryMs?: number;
}

const GROUP = "gateway.networking.k8s.io";
const KIND = "ReferenceGrant";
const PLURAL = "referencegrants";
/** The newest first; older installations of the Gateway API serve the latter alone. */
const VERSIONS = ["v1", "v1beta1"];
const LOOK_EVERY_MS = 15_000;

/**
 * The ReferenceGrants of all namespaces. Their kind is the Gateway API's, which need not be installed, may come later, and may
 * go: what it granted is then granted no more.
 */
export class Grants {
  readonly #options: GrantsOptions;
  readonly #stop = new AbortController();
  #groups: Groups<ObservedGrant> | undefined;
  #informer: Informer<ObservedGrant> | undefined;
  #hasLooked = false;
  #running: Promise<void> | undefined;

  constructor(options: GrantsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#informer?.stop();
    await this.#running;
  }

  /** Whether it is known what is granted, be it nothing. */
  get synced(): boolean {
    return this.#hasLooked && (this.#informer?.stats().synced ?? true);
  }

  /** Undefined: the kind is not served. */
  stats(): InformerStats | undefined {
    return this.#informer?.stats();
  }

  /** Of a namespace; undefined: the kind is not served. */
  of(namespace: string): readonly ObservedGrant[] | undefined {
    return this.#groups?.of(namespace);
  }

  async #run(): Promise<void> {
    const { lookEveryMs = LOOK_EVERY_MS, onError } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const resource = await this.#find();
        if (resource !== undefined && !signal.aborted) await this.#follow(resource);
        this.#hasLooked = true;
      } catch (error) {
        onError(error as Error);
      }
      await pause(lookEveryMs, signal);
    }
  }

  async #find(): Promise<Resource | undefined> {
    for (const version of VERSIONS) {
      const resource = { group: GROUP, version, plural: PLURAL, kind: KIND };
      if ((await this.#options.client.resourceNames(resource)).includes(PLURAL)) return resource;
    }
    return undefined;
  }

  /** Until the kind is no longer served. */
  async #follow(resource: Resource): Promise<void> {
    const { client, onChange, onError, onRecovered, times } = this.#options;
    const groups = new Groups<ObservedGrant>(({ namespace }) => namespace);
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    const informer = new Informer<ObservedGrant>({
      client,
      collection: { resource },
      project: projectGrant,
      onChange: (change: Change<ObservedGrant>) => {
        groups.take(change);
        onChange();
      },
      onError: (error) => (hasStatus(error, 404) ? resolve() : onError(error)),
      onRecovered,
      times,
    });
    this.#stop.signal.addEventListener("abort", () => resolve(), { once: true });
    this.#groups = groups;
    this.#informer = informer;
    this.#hasLooked = true;
    informer.start();
    onChange();
    await gone;
    await informer.stop();
    this.#groups = undefined;
    this.#informer = undefined;
    onChange();
  }
}

interface RawGrant {
  readonly spec?: {
    readonly from?: readonly { readonly group?: string; readonly kind?: string; readonly namespace?: string }[];
    readonly to?: readonly { readonly group?: string; readonly kind?: string; readonly name?: string }[];
  };
}

/** One that is being deleted grants nothing any more. */
export function projectGrant(raw: KubernetesObject): ObservedGrant | undefined {
  const { metadata, spec } = raw as KubernetesObject & RawGrant;
  if (metadata.deletionTimestamp !== undefined) return undefined;
  return {
    namespace: metadata.namespace ?? "",
    from: (spec?.from ?? []).map(({ group = "", kind = "", namespace = "" }) => ({ group, kind, namespace })),
    to: (spec?.to ?? []).map(({ group = "", kind = "", name }) => ({ group, kind, name })),
  };
}
