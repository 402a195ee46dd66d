import type { QuicProxyNodeStatus, QuicProxyStatus } from "../../crds/status_schema.ts";
import type { ObservedNodeObject, ObservedPod } from "../world.ts";

/** One node as far as the QuicProxy's status is concerned. */
export interface NodeState {
  readonly nodeName: string;
  /** Whether its proxy runs and says that it takes traffic. */
  readonly ready: boolean;
  /** Whether it has the present generation in force. */
  readonly programmed: boolean;
  readonly report: QuicProxyNodeStatus | undefined;
  /** Why it is not ready or not programmed: a word and a text. */
  readonly trouble: { readonly reason: string; readonly message: string } | undefined;
  /** What works, but not as asked. */
  readonly degraded: string | undefined;
}

export interface Reports {
  readonly objects: readonly ObservedNodeObject[];
  readonly pods: readonly ObservedPod[];
  /** Why a node without a pod has none. */
  readonly absence: NodeState["trouble"];
  /** Generation of the QuicProxyBackends; undefined where there are none yet. */
  readonly backends: number | undefined;
}

/** The state of each node that should run the proxy. A report counts only while the pod that made it is ready. */
export function nodeStates({ objects, pods, absence, backends }: Reports): NodeState[] {
  const podOf = new Map(
    [...pods].sort((a, b) => Number(a.ready) - Number(b.ready)).map((pod) => [pod.targetNode, pod]),
  );
  return objects.map((object) => {
    const pod = podOf.get(object.nodeName);
    const { status, nodeName } = object;
    // The object keeps the report of a pod that is gone: one that does not run has nothing in force.
    const programmed = pod !== undefined && pod.trouble === undefined && isUpToDate(object, backends);
    const ready = pod?.ready === true && status.ready === true;
    const trouble = ready && programmed ? undefined : pod === undefined ? absence : troubleOf(object, pod, backends);
    const report = pod?.ready === true ? status : undefined;
    return { nodeName, ready, programmed, report, trouble, degraded: report && degradedOf(report) };
  });
}

function isUpToDate({ status, generation, hasBackends }: ObservedNodeObject, backends: number | undefined): boolean {
  if (status.appliedGeneration !== generation) return false;
  return status.appliedBackends === undefined ? hasBackends : status.appliedBackends === backends;
}

function troubleOf(object: ObservedNodeObject, pod: ObservedPod, backends: number | undefined): NodeState["trouble"] {
  const { status, generation } = object;
  if (pod.trouble !== undefined) return { reason: "PodNotRunning", message: `pod ${pod.name}: ${pod.trouble}` };
  if (status.message !== undefined && status.message !== "") {
    return { reason: status.reason ?? "NodeError", message: status.message };
  }
  const { appliedGeneration = 0 } = status;
  if (appliedGeneration === 0 && !pod.ready) return { reason: "Pending", message: `pod ${pod.name} is starting` };
  if (appliedGeneration > generation)
    return { reason: "NodeError", message: "says that it runs what nobody asked for" };
  if (!isUpToDate(object, backends)) {
    return {
      reason: "Pending",
      message: appliedGeneration === 0 ? "runs nothing yet" : "still runs what was asked for before",
    };
  }
  return { reason: "PodNotReady", message: `pod ${pod.name} is not ready` };
}

function degradedOf(report: QuicProxyNodeStatus): string | undefined {
  const { source, backendsLeftOut = [], metricsReason } = report;
  const isCopy = source === "LastGood";
  const texts = [
    ...backendsLeftOut,
    ...(isCopy ? ["runs on its last-good copy: it has not reached the API server since its start"] : []),
    ...bufferLack(report),
    ...(metricsReason === undefined ? [] : [metricsReason]),
  ];
  return texts.length === 0 ? undefined : texts.join("; ");
}

function bufferLack({ receiveBuffer }: QuicProxyNodeStatus): string[] {
  if (receiveBuffer === undefined) return [];
  const granted = Math.floor(receiveBuffer.effectiveBytes / 2);
  if (granted >= receiveBuffer.askedBytes) return [];
  return [
    `receive buffer: asked ${receiveBuffer.askedBytes} bytes, the kernel granted ${granted}; raise net.core.rmem_max on ` +
      "the node, grant NET_ADMIN to the proxies, or lower spec.dataPlane.receiveBuffer",
  ];
}

/** The sums of what ready nodes report. */
export function sumReports(
  states: readonly NodeState[],
): Pick<QuicProxyStatus, "workers" | "dropsPerSecond" | "datagramsPerSecond" | "flows" | "levels"> {
  const reports = states.flatMap(({ report }) => report ?? []);
  const sum = (of: (report: QuicProxyNodeStatus) => number | undefined): number =>
    reports.reduce((total, report) => total + (of(report) ?? 0), 0);
  const levels = reports.flatMap(({ upstreamLevel, steeringLevel }) =>
    [upstreamLevel ?? [], steeringLevel ?? []].flat(),
  );
  return {
    workers: sum(({ workers }) => workers),
    dropsPerSecond: sum(({ rates }) => rates?.droppedPerSecond),
    datagramsPerSecond: sum(({ rates }) => rates?.receivedPerSecond),
    flows: sum(({ rates }) => rates?.flows),
    levels: [...new Set(levels)].sort(),
  };
}
