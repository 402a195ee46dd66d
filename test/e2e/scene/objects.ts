import { execFile } from "node:child_process";
import { isDeepStrictEqual } from "node:util";
import { type Cluster, kubectl } from "../../cluster/cluster.ts";
import { until } from "../../until.ts";

/** An object as kubectl prints it, as far as the tests look at it. */
export interface PrintedObject {
  kind: string;
  metadata: { name: string; uid: string; labels?: Record<string, string> };
  spec: Record<string, unknown>;
  status?: Record<string, unknown>;
}

interface Condition {
  type: string;
  status: string;
  reason: string;
  message: string;
  observedGeneration?: number;
}

/** What kubectl said and how it ended. */
export interface Applied {
  accepted: boolean;
  said: string;
}

/** Runs `kubectl apply` on objects, or on the text of a manifest; never throws for what the API server refuses. */
export function tryApply(cluster: Cluster, manifest: object | string): Promise<Applied> {
  const text = typeof manifest === "string" ? manifest : JSON.stringify(manifest);
  return new Promise((resolve) => {
    const args = [`--kubeconfig=${cluster.kubeconfig}`, "apply", "-f", "-"];
    const child = execFile(cluster.kubectl, args, (error, output, faults) => {
      resolve({ accepted: error === null, said: `${output}${faults}`.trim() });
    });
    child.stdin?.end(text);
  });
}

/** Runs `kubectl apply` and throws when it is refused. */
export async function apply(cluster: Cluster, ...items: object[]): Promise<void> {
  const { accepted, said } = await tryApply(cluster, { apiVersion: "v1", kind: "List", items });
  if (!accepted) throw new Error(said);
}

/** Objects of one kind; `args` narrow them, such as `-n media -l app=quic`. */
export async function list(cluster: Cluster, kind: string, args: readonly string[]): Promise<PrintedObject[]> {
  const text = await kubectl(cluster, ["get", kind, ...args, "-o", "json"]);
  return (JSON.parse(text) as { items: PrintedObject[] }).items;
}

/** `status reason: message` of a condition of a QuicProxy, empty when it has none or is about an older spec. */
export async function condition(cluster: Cluster, namespace: string, name: string, type: string): Promise<string> {
  const object = JSON.parse(await kubectl(cluster, ["-n", namespace, "get", "quicproxy", name, "-o", "json"])) as {
    metadata: { generation: number };
    status?: { conditions?: Condition[] };
  };
  const found = object.status?.conditions?.find((each) => each.type === type);
  if (found === undefined || found.observedGeneration !== object.metadata.generation) return "";
  return `${found.status} ${found.reason}: ${found.message}`;
}

/** Waits until something is as wanted; a failure shows what it was at last. */
export async function untilEqual(what: string, ask: () => Promise<unknown>, wanted: unknown): Promise<void> {
  let last: unknown;
  await until(what, async () => {
    last = await ask();
    if (isDeepStrictEqual(last, wanted)) return true;
    throw new Error(`it is ${JSON.stringify(last)}`);
  });
}
