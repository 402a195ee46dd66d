import { z } from "zod";
import { REMOVALS } from "./backends_schema.ts";
import { choice, flag, integer, mapping, objectName, text } from "./fields.ts";
import { hashKey } from "./key_schema.ts";
import { API_VERSION, intentShape } from "./schema.ts";
import { quicProxyNodeStatusShape } from "./status_schema.ts";

/*
 * QuicProxyNode: what one node is to run for one QuicProxy. The operator writes the spec, the proxy on the node the
 * status. It is the whole interface between the two.
 */

export const NODE_KIND = "QuicProxyNode";
/** On whatever the operator makes for a QuicProxy: the name of that. */
export const PROXY_LABEL = "quicproxy.io/proxy";

export const nodeSpecShape = mapping({
  proxy: objectName("the name of a QuicProxy").describe("Name of the QuicProxy this belongs to."),
  nodeName: text(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 253, "the name of a node").describe("Name of the node."),
  generation: integer(1, Number.MAX_SAFE_INTEGER).describe(
    "Grows with every change of the rest; the proxy refuses a lower one than it runs on.",
  ),
  hashKey: hashKey().describe(
    "Key of the hash that picks backends, the same on every node. Whoever reads it can choose the backend of a flow.",
  ),
  removals: choice(REMOVALS)
    .default("Observed")
    .describe("For proxies of a version before QuicProxyBackends: what is said there now."),
  drain: flag()
    .optional()
    .describe("The proxy is about to be replaced: it says that it is not ready, and forwards as before."),
  intent: intentShape.describe("What to run: the QuicProxy's spec; its backends are in QuicProxyBackends."),
});

export const quicProxyNodeShape = mapping({
  apiVersion: z.literal(API_VERSION, { error: API_VERSION }).describe("Version of this shape."),
  kind: z.literal(NODE_KIND, { error: NODE_KIND }).describe("Kind of the object."),
  metadata: z.looseObject({}).describe("Name <proxy>.<node>, labels and whatever else Kubernetes keeps there."),
  spec: nodeSpecShape.describe("Written by the operator."),
  status: quicProxyNodeStatusShape.optional().describe("Written by the proxy on the node."),
});

export type QuicProxyNode = z.output<typeof quicProxyNodeShape>;
export type QuicProxyNodeSpec = z.output<typeof nodeSpecShape>;

/** The QuicProxy of a QuicProxyNode, by its name. */
export function proxyOfNodeObject(name: string): string {
  return name.slice(0, name.indexOf("."));
}

const OBJECT_NAME_MAX = 253;

/**
 * The name of the object for a proxy on a node. A QuicProxy's name has no dot, so no two pairs share one.
 * Undefined where it would be longer than Kubernetes allows (node names beyond 189 characters).
 */
export function nodeObjectName(proxy: string, nodeName: string): string | undefined {
  const name = `${proxy}.${nodeName}`;
  return name.length <= OBJECT_NAME_MAX ? name : undefined;
}
