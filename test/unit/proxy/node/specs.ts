import { nodeSpecShape, type QuicProxyNodeSpec } from "../../../../crds/node_schema.ts";

export interface SpecChanges {
  generation?: number;
  backends?: readonly string[];
  removals?: "Observed" | "Unobserved";
  port?: number;
}

/** The spec of a QuicProxyNode with backends by address. */
export function nodeSpec({
  generation = 1,
  backends = ["10.0.0.7"],
  removals = "Observed",
  port = 4433,
}: SpecChanges): QuicProxyNodeSpec {
  return nodeSpecShape.parse({
    proxy: "edge",
    nodeName: "node-1",
    generation,
    hashKey: "0123456789abcdef0123456789abcdef",
    removals,
    intent: { listeners: [{ port }], backends: { static: backends.map((address) => ({ address, port: 4433 })) } },
  });
}
