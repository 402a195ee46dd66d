import { z } from "zod";
import { choice, integer, list, mapping, objectName, text, validations } from "./fields.ts";
import { API_VERSION, staticBackend } from "./schema.ts";

/*
 * QuicProxyBackends: the backends of a QuicProxy, once for all its nodes. They are spread over chunks whose names have the
 * digest of what is in them, and which therefore never change; one index names the chunks that hold now. Whoever has the
 * index and all that it names has one whole set, in whatever order they came.
 */

export const BACKENDS_KIND = "QuicProxyBackends";

/** Whether backends that are missing now were seen to go. */
export const REMOVALS = ["Observed", "Unobserved"] as const;

/** Most chunks, and what most backends are spread over. */
export const BUCKETS_MAX = 256;
/** Of one chunk. Spread by a hash, 16,384 backends over 256 chunks are 64 on the average. */
const CHUNK_MAX = 1024;
export const BACKENDS_MAX = 16_384;

const index = mapping({
  generation: integer(1, Number.MAX_SAFE_INTEGER).describe(
    "Grows with every change; a proxy refuses a lower one than it has.",
  ),
  removals: choice(REMOVALS)
    .default("Observed")
    .describe(
      "Unobserved: backends may be missing because the operator was away or lists failed, so the proxies hold the loss of " +
        "more than half of them for 60 s.",
    ),
  source: text(/^[^\r\n]+$/, 512, "where the backends come from").describe("Where the backends come from."),
  buckets: integer(1, BUCKETS_MAX).describe(
    "Over how many chunks backends are spread by their hash; empty ones are not there.",
  ),
  chunks: list(text(/^[a-z0-9.-]+$/, 253, "the name of a chunk"), 0, BUCKETS_MAX, "names of chunks")
    .meta({ "x-kubernetes-list-type": "atomic" })
    .describe("Names of the chunks that hold."),
  count: integer(0, BACKENDS_MAX).describe("How many backends."),
  serving: integer(0, BACKENDS_MAX).describe("How many of them get new flows."),
});

export const backendsSpecShape = mapping({
  proxy: objectName("the name of a QuicProxy").describe("Name of the QuicProxy this belongs to."),
  index: index.optional().describe("Which chunks hold. In the one object that has the name of the QuicProxy."),
  backends: list(staticBackend, 1, CHUNK_MAX, "backends")
    .optional()
    .meta({ "x-kubernetes-list-type": "atomic" })
    .describe("A chunk: some of the backends."),
}).meta(validations({ rule: "has(self.index) != has(self.backends)", message: "exactly one of index and backends" }));

export const quicProxyBackendsShape = mapping({
  apiVersion: z.literal(API_VERSION, { error: API_VERSION }).describe("Version of this shape."),
  kind: z.literal(BACKENDS_KIND, { error: BACKENDS_KIND }).describe("Kind of the object."),
  metadata: z.looseObject({}).describe("Name, labels and whatever else Kubernetes keeps there."),
  spec: backendsSpecShape.describe("Written by the operator."),
});

export type BackendsSpec = z.output<typeof backendsSpecShape>;
export type BackendsIndex = z.output<typeof index>;
export type Backend = z.output<typeof staticBackend>;

/** The same, where it was kept and may be damaged. */
export const backendSetShape = mapping({
  generation: index.shape.generation,
  removals: choice(REMOVALS),
  backends: list(staticBackend, 0, BACKENDS_MAX, "backends"),
});

/** A whole set of backends, as a proxy has it once it has the index and every chunk that it names. */
export interface BackendSet {
  readonly generation: number;
  readonly removals: (typeof REMOVALS)[number];
  readonly backends: readonly Backend[];
}
