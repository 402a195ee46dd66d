import type { BackendsIndex } from "../../../crds/backends_schema.ts";
import { Informer } from "../../../kube/informer.ts";
import { RESOURCES } from "../../../kube/resources.ts";
import { type Admin, NAMESPACE } from "../../integration/operator/fixtures.ts";
import { until } from "../../until.ts";
import { PROXY } from "./cluster.ts";

/** Seconds since a time until every node runs the present spec and its status says so. */
export async function untilProgrammed(admin: Admin, nodes: number, fromMs: number): Promise<number> {
  await until(
    "every node is programmed",
    async () => {
      const object = await admin.client.get(RESOURCES.quicProxies, { namespace: NAMESPACE, name: PROXY });
      const { metadata, status } = object as unknown as Observed;
      const isPresent = status?.observedGeneration === metadata.generation;
      return isPresent && status?.nodes?.programmed === nodes && status?.nodes?.ready === nodes;
    },
    600_000,
  );
  return (Date.now() - fromMs) / 1000;
}

interface Observed {
  readonly metadata: { readonly generation?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly nodes?: { readonly programmed: number; readonly ready: number };
  };
}

/** Tells of each new index as soon as the API server does. */
export function followIndex(admin: Admin, onIndex: (generation: number) => void): Informer<number> {
  const informer = new Informer<number>({
    client: admin.client,
    collection: {
      resource: RESOURCES.quicProxyBackends,
      namespace: NAMESPACE,
      fieldSelector: `metadata.name=${PROXY}`,
    },
    project: (object) => (object as unknown as { spec: { index?: BackendsIndex } }).spec.index?.generation,
    onChange: ({ value }) => value !== undefined && onIndex(value),
    onError: () => {},
  });
  informer.start();
  return informer;
}
