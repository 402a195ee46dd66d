import { type QuicProxyNodeStatus, type QuicProxyStatus, UNKNOWN } from "../../crds/status_schema.ts";
import type { CapabilityLevel } from "../plan/capabilities.ts";
import type { ObservedNodeObject, ObservedPod } from "../world.ts";

/** Reason of a node of which nothing was heard for too long. */
export const NOT_REPORTING = "NotReporting";

/** Whether the operator has said so and nothing came since: a report takes it back. It is known so after a restart, too. */
export function isSilent({ readiness }: QuicProxyNodeStatus): boolean {
  return readiness === UNKNOWN;
}

/** One node as far as the QuicProxy's status is concerned. */
export interface NodeState {
  readonly nodeName: string;
  /** Whether its proxy runs and says that it takes traffic. */
  readonly ready: boolean;
  /** Whether what it says is of today: nobody knows how a silent one is. */
  readonly isKnown: boolean;
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
  /** How much of the kernel the proxies were given: what they do without for want of that is as asked. */
  readonly capabilities: CapabilityLevel;
}

/** The state of each node that should run the proxy. A report counts only while the pod that made it is ready. */
export function nodeStates(reports: Reports): NodeState[] {
  const { objects, pods } = reports;
  const podOf = new Map(
    [...pods].sort((a, b) => Number(a.ready) - Number(b.ready)).map((pod) => [pod.targetNode, pod]),
  );
  return objects.map((object) => {
    const pod = podOf.get(object.nodeName);
    return pod === undefined ? withoutPod(object, reports) : stateOf(object, pod, reports);
  });
}

/** The object keeps the report of a pod that is gone. */
function withoutPod({ nodeName }: ObservedNodeObject, { absence }: Reports): NodeState {
  const nothing = { ready: false, programmed: false, report: undefined, degraded: undefined };
  return { nodeName, ...nothing, isKnown: true, trouble: absence };
}

function stateOf(object: ObservedNodeObject, pod: ObservedPod, { backends, capabilities }: Reports): NodeState {
  const { status, nodeName } = object;
  const isRunning = pod.trouble === undefined;
  const programmed = isRunning && isUpToDate(object, backends);
  const ready = pod.ready && saysReady(status);
  const trouble = ready && programmed ? undefined : troubleOf(object, pod, backends);
  const report = pod.ready && !isSilent(status) ? status : undefined;
  const degraded = report && degradedOf(report, capabilities);
  // That a pod does not run others say for certain.
  return { nodeName, ready, isKnown: !isRunning || !isSilent(status), programmed, report, trouble, degraded };
}

/** A proxy of an older version has no word for it. */
function saysReady({ ready, readiness = "True" }: QuicProxyNodeStatus): boolean {
  return ready === true && readiness === "True";
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

function degradedOf(report: QuicProxyNodeStatus, capabilities: CapabilityLevel): string | undefined {
  const { source, backendsLeftOut = [], metricsReason } = report;
  const isCopy = source === "LastGood";
  const texts = [
    ...backendsLeftOut,
    ...(isCopy ? ["runs on its last-good copy: it has not reached the API server since its start"] : []),
    ...(capabilities === "Kernel" ? lowerLevels(report) : []),
    ...bufferLack(report),
    ...(metricsReason === undefined ? [] : [metricsReason]),
  ];
  return texts.length === 0 ? undefined : texts.join("; ");
}

/** A level gives its reason only where a better one was tried. */
function lowerLevels({ upstreamLevel, upstreamReason, steeringLevel, steeringReason }: QuicProxyNodeStatus): string[] {
  return [
    ...(upstreamReason === undefined ? [] : [`upstream level ${upstreamLevel} instead of RawSend: ${upstreamReason}`]),
    ...(steeringReason === undefined
      ? []
      : [`steering level ${steeringLevel} instead of ConnectionId: ${steeringReason}`]),
  ];
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

/** How many backends are well, as the node says that sees fewest; undefined where none is checked. */
export function fewestHealthy(states: readonly NodeState[]): number | undefined {
  const counts = states.flatMap(({ report }) => report?.backendHealth?.healthy ?? []);
  return counts.length === 0 ? undefined : counts.reduce((least, count) => Math.min(least, count));
}

/** The sums of what ready nodes report. */
export function sumReports(
  states: readonly NodeState[],
): Pick<
  QuicProxyStatus,
  "workers" | "dropsPerSecond" | "unansweredPerSecond" | "datagramsPerSecond" | "flows" | "levels"
> {
  const reports = states.flatMap(({ report }) => report ?? []);
  const sum = (of: (report: QuicProxyNodeStatus) => number | undefined): number =>
    reports.reduce((total, report) => total + (of(report) ?? 0), 0);
  const levels = reports.flatMap(({ upstreamLevel, steeringLevel }) =>
    [upstreamLevel ?? [], steeringLevel ?? []].flat(),
  );
  return {
    workers: sum(({ workers }) => workers),
    dropsPerSecond: sum(({ rates }) => rates?.droppedPerSecond),
    unansweredPerSecond: sum(({ rates }) => rates?.unansweredPerSecond),
    datagramsPerSecond: sum(({ rates }) => rates?.receivedPerSecond),
    flows: sum(({ rates }) => rates?.flows),
    levels: [...new Set(levels)].sort(),
  };
}
