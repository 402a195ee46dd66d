import { ApiError, errorOf, watchError } from "./errors.ts";
import type { KubernetesObject } from "./objects.ts";
import { type Resource, type ResourcePlace, resourcePath } from "./resources.ts";
import type { ApiRequest, ApiResponse, Method, SendRequest } from "./transport.ts";
import { nextTurn } from "./turns.ts";
import { readLines, readText } from "./watch_stream.ts";

export interface ListPage {
  readonly items: KubernetesObject[];
  readonly resourceVersion: string;
}

export type WatchEvent =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: KubernetesObject }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

export interface Collection {
  readonly resource: Resource;
  readonly namespace?: string | undefined;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface WatchOptions {
  readonly resourceVersion: string;
  /** When the API server ends the watch in order. */
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
  /** Called once the API server has begun to answer; where nothing happens, the first event may be a minute away. */
  readonly onOpen?: () => void;
  /** Called with every octet that arrives, whatever it says. */
  readonly onActivity: () => void;
}

/** Bounds a call beside the client's own limit. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface ApplyOptions {
  readonly resource: Resource;
  readonly fieldManager: string;
  readonly subresource?: "status";
}

/** One finished call, for metrics. `code`: HTTP status, or 0 where no answer came. */
export type ObserveCall = (call: { method: Method; code: number; seconds: number }) => void;

const CALL_TIMEOUT_MS = 30_000;
/** Of nodes and pods, about 1 MB: a page is parsed in one stretch, in which the process does nothing else. */
const LIST_PAGE_SIZE = "100";
const LONG_CHARACTERS = 64 * 1024;
const APPLY_CONTENT_TYPE = "application/apply-patch+yaml";

/**
 * The few calls of the Kubernetes API that operator and proxy need. Nothing is retried here: whoever calls knows whether
 * it still wants to. Every call throws ApiError for an answer that is no success, another Error where none came.
 */
export class ApiClient {
  readonly #send: SendRequest;
  readonly #observe: ObserveCall;

  constructor(send: SendRequest, observe: ObserveCall = () => {}) {
    this.#send = send;
    this.#observe = observe;
  }

  /** Undefined where there is no such object. */
  async get<T extends KubernetesObject>(
    resource: Resource,
    place: ResourcePlace,
    options: CallOptions = {},
  ): Promise<T | undefined> {
    try {
      return await this.#call<T>("GET", resourcePath(resource, place), {}, options);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  /** All objects of a collection. */
  async list(collection: Collection): Promise<ListPage> {
    const items: KubernetesObject[] = [];
    let resourceVersion = "";
    for await (const page of this.pages(collection)) {
      items.push(...page.items);
      resourceVersion = page.resourceVersion;
    }
    return { items, resourceVersion };
  }

  /** The same page by page; all of them are of one resource version. */
  async *pages(collection: Collection): AsyncGenerator<ListPage, void> {
    let next = "";
    do {
      const query = { limit: LIST_PAGE_SIZE, ...(next === "" ? {} : { continue: next }) };
      const { items, metadata } = await this.#call<RawList>("GET", collectionPath(collection, query));
      next = metadata.continue ?? "";
      yield { items, resourceVersion: metadata.resourceVersion };
    } while (next !== "");
  }

  /** Server-side apply of the whole intent; what the field manager owned and no longer names is removed. */
  async apply<T extends KubernetesObject>(
    object: T,
    { resource, fieldManager, subresource }: ApplyOptions,
  ): Promise<T> {
    const { namespace, name } = object.metadata;
    const place = { namespace, name, ...(subresource === undefined ? {} : { subresource }) };
    const query = new URLSearchParams({ fieldManager, force: "true" });
    const path = `${resourcePath(resource, place)}?${query}`;
    return this.#call<T>("PATCH", path, { body: JSON.stringify(object), contentType: APPLY_CONTENT_TYPE });
  }

  async mergePatch(resource: Resource, place: ResourcePlace, patch: object): Promise<KubernetesObject> {
    const body = { body: JSON.stringify(patch), contentType: "application/merge-patch+json" };
    return this.#call("PATCH", resourcePath(resource, place), body);
  }

  async create<T extends KubernetesObject>(resource: Resource, object: T, options: CallOptions = {}): Promise<T> {
    const path = resourcePath(resource, { namespace: object.metadata.namespace });
    return this.#call<T>("POST", path, { body: JSON.stringify(object), contentType: "application/json" }, options);
  }

  /** Replaces an object; a resourceVersion in it makes the call fail with 409 where somebody was faster. */
  async replace<T extends KubernetesObject>(resource: Resource, object: T, options: CallOptions = {}): Promise<T> {
    const { namespace, name } = object.metadata;
    const path = resourcePath(resource, { namespace, name });
    return this.#call<T>("PUT", path, { body: JSON.stringify(object), contentType: "application/json" }, options);
  }

  /**
   * Deletes an object and what it owns; one that is gone already is no error. With a `uid`, where another is of that name by
   * now: 409. Returns the object as far as it is still there, because it has its time to end.
   */
  async delete(
    resource: Resource,
    place: ResourcePlace,
    { uid }: { readonly uid?: string } = {},
  ): Promise<KubernetesObject | undefined> {
    const options = { apiVersion: "v1", kind: "DeleteOptions", preconditions: { uid } };
    const body = uid === undefined ? {} : { body: JSON.stringify(options), contentType: "application/json" };
    try {
      const path = `${resourcePath(resource, place)}?propagationPolicy=Background`;
      const answer = await this.#call<Partial<KubernetesObject>>("DELETE", path, body);
      return answer.metadata?.deletionTimestamp === undefined ? undefined : (answer as KubernetesObject);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  /** Plural names of what a version of an API group serves; none where the API server does not know that version. */
  async resourceNames({ group, version }: Resource): Promise<string[]> {
    try {
      const { resources } = await this.#call<{ resources: { name: string }[] }>("GET", `/apis/${group}/${version}`);
      return resources.map(({ name }) => name);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return [];
      throw error;
    }
  }

  /** Changes after a resource version, until the stream ends. Throws ApiError 410 where the version is too old. */
  async *watch(collection: Collection, options: WatchOptions): AsyncGenerator<WatchEvent, void> {
    const path = collectionPath(collection, {
      watch: "1",
      allowWatchBookmarks: "true",
      resourceVersion: options.resourceVersion,
      timeoutSeconds: String(options.timeoutSeconds),
    });
    const response = await this.#observed({ method: "GET", path, signal: options.signal });
    if (response.status !== 200) throw errorOf(response, await readText(response.body), `watch ${path}`);
    options.onOpen?.();
    try {
      for await (const line of readLines(response.body, options.onActivity)) yield parseEvent(line);
    } finally {
      response.body.destroy();
    }
  }

  async #call<T>(method: Method, path: string, body: Body = {}, options: CallOptions = {}): Promise<T> {
    const bounds = [AbortSignal.timeout(CALL_TIMEOUT_MS), ...(options.signal === undefined ? [] : [options.signal])];
    const signal = AbortSignal.any(bounds);
    const response = await this.#observed({ method, path, signal, ...body });
    const text = await readText(response.body);
    if (response.status < 200 || response.status > 299) throw errorOf(response, text, `${method} ${path}`);
    if (text.length > LONG_CHARACTERS) await nextTurn();
    return (text === "" ? {} : JSON.parse(text)) as T;
  }

  async #observed(request: ApiRequest): Promise<ApiResponse> {
    const startMs = performance.now();
    let code = 0;
    try {
      const response = await this.#send(request);
      code = response.status;
      return response;
    } finally {
      this.#observe({ method: request.method, code, seconds: (performance.now() - startMs) / 1000 });
    }
  }
}

interface Body {
  readonly body?: string;
  readonly contentType?: string;
}

interface RawList {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: KubernetesObject[];
}

function collectionPath(collection: Collection, query: Record<string, string>): string {
  const { resource, namespace, labelSelector, fieldSelector } = collection;
  const selectors = {
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  };
  return `${resourcePath(resource, { namespace })}?${new URLSearchParams({ ...query, ...selectors })}`;
}

function parseEvent(line: string): WatchEvent {
  const event = JSON.parse(line) as { type: string; object: KubernetesObject };
  if (event.type === "ERROR") throw watchError(event.object as object);
  if (event.type === "BOOKMARK") {
    return { type: "BOOKMARK", resourceVersion: event.object.metadata.resourceVersion ?? "" };
  }
  return event as WatchEvent;
}
