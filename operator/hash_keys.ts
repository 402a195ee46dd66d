import { randomBytes } from "node:crypto";
import type { ApiClient } from "../kube/client.ts";
import { hasStatus } from "../kube/errors.ts";
import type { KubernetesObject } from "../kube/objects.ts";
import { HASH_KEY_BYTES } from "../proxy/contract/contract.ts";
import type { ObservedWorld } from "./apply.ts";
import { keyObject, keyOfNodes } from "./plan/hash_key.ts";
import type { ObservedProxy } from "./world.ts";

type KeyObject = KubernetesObject & { readonly spec: { readonly hashKey: string } };

/**
 * The hash key of each QuicProxy. Of two operators that make one at the same time the API server decides who was first: a key
 * is only ever created, and whoever comes second reads the first's.
 */
export class HashKeys {
  readonly #client: Pick<ApiClient, "create" | "get">;
  readonly #caches: ObservedWorld;

  constructor({
    client,
    caches,
  }: { readonly client: Pick<ApiClient, "create" | "get">; readonly caches: ObservedWorld }) {
    this.#client = client;
    this.#caches = caches;
  }

  async of(proxy: ObservedProxy): Promise<string> {
    const { namespace, name } = proxy;
    const known = this.#caches.hashKey(namespace, name);
    if (known !== undefined) return known;
    const proposed =
      keyOfNodes(this.#caches.nodeObjects(namespace, name)) ?? randomBytes(HASH_KEY_BYTES).toString("hex");
    const { resource, object } = keyObject(proxy, proposed);
    const stored = await this.#client.create(resource, object as KeyObject).catch(async (error: Error) => {
      if (!hasStatus(error, 409)) throw error;
      const first = await this.#client.get<KeyObject>(resource, { namespace, name });
      if (first === undefined) throw error;
      return first;
    });
    this.#caches.assume(resource, stored);
    return stored.spec.hashKey;
  }
}
