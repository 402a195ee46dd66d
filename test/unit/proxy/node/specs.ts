import type { BackendSet } from "../../../../crds/backends_schema.ts";
import { nodeSpecShape, type QuicProxyNodeSpec } from "../../../../crds/node_schema.ts";

/** The spec of a QuicProxyNode. */
export function nodeSpec({ generation = 1, port = 4433 } = {}): QuicProxyNodeSpec {
  return nodeSpecShape.parse({
    proxy: "edge",
    nodeName: "node-1",
    generation,
    hashKey: "0123456789abcdef0123456789abcdef",
    intent: { listeners: [{ port }], backends: {} },
  });
}

/** Backends by address. */
export function backendSet(
  generation: number,
  addresses: readonly string[] = ["10.0.0.7"],
  changes: Partial<BackendSet> & { weight?: number } = {},
): BackendSet {
  const { weight = 1, ...rest } = changes;
  const backends = addresses.map((address) => ({ address, port: 4433, weight }));
  return { generation, removals: "Observed", backends, ...rest };
}
