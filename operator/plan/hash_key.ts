import { HASH_KEY_PATTERN } from "../../crds/key_schema.ts";
import { RESOURCES } from "../../kube/resources.ts";
import type { ObservedNodeObject, ObservedProxy } from "../world.ts";
import { childOf, type DesiredObject } from "./desired.ts";

/** The QuicProxyKey of a QuicProxy, to be created and never applied (docs/adr/0029). */
export function keyObject(proxy: ObservedProxy, hashKey: string): DesiredObject {
  const content = { spec: { proxy: proxy.name, hashKey } };
  return childOf(proxy, { resource: RESOURCES.quicProxyKeys, name: proxy.name, content });
}

/** What the nodes run on: of a version before QuicProxyKeys, or where the QuicProxyKey was deleted. */
export function keyOfNodes(observed: readonly ObservedNodeObject[]): string | undefined {
  const keys = [...observed].sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ hashKey }) => hashKey);
  return keys.find((key) => HASH_KEY_PATTERN.test(key));
}
