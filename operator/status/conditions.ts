import { CONDITION_MESSAGE_MAX, type Condition, type ConditionType } from "../../crds/status_schema.ts";
import { listed, strung } from "../listing.ts";
import type { Decision, InForce } from "../plan/decide.ts";
import { withNodeSelector } from "../plan/terms.ts";
import type { RolloutProgress } from "../rollout/progress.ts";
import { PODS_REFUSED } from "./absence.ts";
import type { NodeState } from "./nodes.ts";

/** A condition before it is held against the one before it. */
export interface Verdict {
  readonly type: ConditionType;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
}

export interface Findings {
  readonly decision: Decision;
  readonly states: readonly NodeState[];
  /** What went wrong when the plan was applied, such as a right that is missing. */
  readonly applyError: string | undefined;
  /** Undefined: nothing is rolled out. */
  readonly rollout: RolloutProgress | undefined;
}

/** What keeps a pod from running says more than that there is nothing to forward to. */
const POD_TROUBLES: ReadonlySet<string> = new Set([PODS_REFUSED, "PodNotRunning"]);
const SHOWN_MAX = 5;
/** Reason of Accepted where the spec asks for something in vain, or for what its author should know of. */
export const ACCEPTED_WITH_NOTES = "AcceptedWithNotes";

/** What holds for a QuicProxy, in the order in which it comes true. Pure. */
export function judge(findings: Findings): Verdict[] {
  const accepted = judgeAccepted(findings.decision);
  const programmed = judgeProgrammed(findings);
  return [accepted, programmed, judgeReady(findings, accepted, programmed), judgeDegraded(findings)];
}

function judgeAccepted({ refusal, warnings, inForce }: Decision): Verdict {
  const type = "Accepted";
  if (refusal !== undefined) {
    const { reason, message } = refusal;
    const kept = inForce === undefined ? "" : "; the last accepted spec stays in force";
    return { type, status: "False", reason, message: message + kept };
  }
  if (warnings.length === 0) return { type, status: "True", reason: "Accepted", message: "the spec can be run" };
  const notes = warnings.map((warning) => `; note: ${warning}`).join("");
  return { type, status: "True", reason: ACCEPTED_WITH_NOTES, message: `the spec can be run${notes}` };
}

function judgeProgrammed({ decision, states, applyError, rollout }: Findings): Verdict {
  const type = "Programmed";
  const { refusal, inForce } = decision;
  if (refusal !== undefined) {
    const message = `the spec is not accepted; ${keptText(states)}${rollout === undefined ? "" : `; ${rollout.message}`}`;
    return { type, status: "False", reason: refusal.reason, message };
  }
  if (applyError !== undefined) return { type, status: "False", reason: "ApplyFailed", message: applyError };
  const all = inForce?.nodes.chosen.length ?? 0;
  if (inForce === undefined || all === 0) return { type, status: "False", ...noNodes(inForce) };
  if (rollout !== undefined) return { type, status: "False", reason: rollout.reason, message: rollout.message };
  const done = states.filter(({ programmed }) => programmed).length;
  if (done < all) {
    return { type, status: "False", ...troubles(states, `${done} of ${counted(all)} run the present spec`, "Pending") };
  }
  const message = `${counted(all)} ${all === 1 ? "runs" : "run"} the present spec`;
  return { type, status: "True", reason: "Programmed", message };
}

/** Whether traffic is served, be it by the last accepted spec; a change that is on its way to the nodes is none of it. */
function judgeReady({ decision, states }: Findings, accepted: Verdict, programmed: Verdict): Verdict {
  const type = "Ready";
  const { refusal, inForce } = decision;
  if (inForce === undefined) {
    const { reason, message } = accepted;
    return { type, status: "False", reason, message: `${message}; ${keptText(states)}` };
  }
  const all = inForce.nodes.chosen.length;
  if (all === 0) return { type, status: "False", ...noNodes(inForce) };
  const podless = states.filter(({ trouble }) => trouble !== undefined && POD_TROUBLES.has(trouble.reason));
  if (podless.length === all) return { type, status: "False", ...troubles(podless, `0 of ${counted(all)} ready`, "") };
  const serving = inForce.resolved.backends.filter(({ weight }) => weight > 0).length;
  if (serving === 0) return { type, status: "False", ...noBackends(inForce) };
  const ready = states.filter((state) => state.ready).length;
  if (ready < all) {
    const others = states.filter((state) => !state.ready);
    const status = ready + others.length === all && others.every(({ isKnown }) => !isKnown) ? "Unknown" : "False";
    return { type, status, ...notReady(others, programmed, `${ready} of ${counted(all)} ready`) };
  }
  const forward = `${counted(all)} ${all === 1 ? "forwards" : "forward"} to ${counted(serving, "backend")}`;
  const kept = refusal === undefined ? "" : " by the last accepted spec";
  return { type, status: "True", reason: "Ready", message: forward + kept };
}

/** What keeps a node from being ready is most often what keeps the spec from being run there. */
function notReady(states: readonly NodeState[], programmed: Verdict, head: string): Reasoned {
  const { status, reason, message } = programmed;
  if (status === "False" && reason === "ApplyFailed") return { reason, message };
  return troubles(states, head, "NotReady");
}

function judgeDegraded({ decision: { inForce }, states }: Findings): Verdict {
  const type = "Degraded";
  const lacks = [...lacksOf(inForce), ...nodeLacks(states)];
  const [first] = lacks;
  if (first !== undefined) {
    const others = lacks.length > 1 ? `; and ${lacks.length - 1} more` : "";
    return { type, status: "True", reason: first.reason, message: first.message + others };
  }
  if (states.every(({ report }) => report === undefined)) {
    return { type, status: "Unknown", reason: "NothingRuns", message: "no node has reported yet" };
  }
  return { type, status: "False", reason: "AsAsked", message: "everything works as asked" };
}

/** A word for programs and a text for people. */
interface Reasoned {
  readonly reason: string;
  readonly message: string;
}

function lacksOf(inForce: InForce | undefined): Reasoned[] {
  if (inForce === undefined) return [];
  const { resolved, nodes, takenNodes, spec } = inForce;
  const asked = spec.scaling?.nodes ?? 0;
  const few = `spec.scaling.nodes asks for ${counted(asked)}, and ${nodes.eligible} can run the proxy`;
  const leftOut = strung(resolved.leftOut, SHOWN_MAX);
  return [
    ...(takenNodes === undefined ? [] : [takenNodes]),
    ...(leftOut === "" ? [] : [{ reason: "EndpointsLeftOut", message: leftOut }]),
    ...(asked > nodes.eligible ? [{ reason: "TooFewNodes", message: few }] : []),
  ];
}

function nodeLacks(states: readonly NodeState[]): Reasoned[] {
  return states.flatMap(({ nodeName, degraded }) => {
    return degraded === undefined ? [] : [{ reason: "LessThanAsked", message: `${nodeName}: ${degraded}` }];
  });
}

function troubles(states: readonly NodeState[], head: string, otherwise: string): Reasoned {
  // What nodes have in common is said once.
  const nodesByMessage = new Map<string, string[]>();
  const found = states.flatMap(({ trouble }) => trouble ?? []);
  for (const { nodeName, trouble } of states) {
    if (trouble === undefined) continue;
    nodesByMessage.set(trouble.message, [...(nodesByMessage.get(trouble.message) ?? []), nodeName]);
  }
  const said = [...nodesByMessage].map(([message, nodes]) => `${listed(nodes, SHOWN_MAX)}: ${message}`);
  const message = said.length === 0 ? head : `${head}; ${strung(said, SHOWN_MAX)}`;
  return { reason: found[0]?.reason ?? otherwise, message };
}

function noNodes(inForce: InForce | undefined): Reasoned {
  const reason = "NoNodes";
  if (inForce === undefined) return { reason, message: "no node can run the proxy" };
  const { nodes, takenNodes } = inForce;
  const spec = withNodeSelector(inForce.spec, inForce.terms);
  if (takenNodes !== undefined) return takenNodes;
  if (nodes.eligible > 0) return { reason, message: "spec.scaling.nodes is 0: no node runs the proxy" };
  const labels = Object.entries(spec.nodes?.selector ?? {}).map(([key, value]) => `${key}=${value}`);
  if (labels.length === 0) {
    const message = "no node can run the proxy: all have taints that spec.nodes.tolerations does not tolerate";
    return { reason, message };
  }
  const message =
    `no node has the labels of spec.nodes.selector and of the class (or its taints are not tolerated); ` +
    `label one: kubectl label node NAME ${labels.join(" ")}`;
  return { reason, message };
}

function noBackends({ spec, resolved }: InForce): Reasoned {
  const { problem, backends, leftOut } = resolved;
  if (problem !== undefined) return problem;
  if (backends.length === 0 && leftOut.length > 0) {
    return { reason: "NoBackends", message: `every endpoint is left out: ${strung(leftOut, SHOWN_MAX)}` };
  }
  const { service } = spec.backends;
  const reason = "NoBackends";
  if (service === undefined) {
    return { reason, message: "no backend has a weight above zero; add one to spec.backends.static" };
  }
  const draining = backends.length > 0 ? ` (${backends.length} not ready or terminating)` : "";
  const message =
    `Service ${service.name} has no ready endpoint${draining}; see: ` +
    `kubectl get endpointslices -l kubernetes.io/service-name=${service.name}`;
  return { reason, message };
}

function keptText(states: readonly NodeState[]): string {
  if (states.length === 0) return "nothing runs";
  return `${counted(states.length)} ${states.length === 1 ? "keeps" : "keep"} the last accepted spec`;
}

function counted(count: number, what = "node"): string {
  return `${count} ${count === 1 ? what : `${what}s`}`;
}

/** Verdicts as conditions; one whose status is what it was keeps the time of its transition. */
export function toConditions(
  verdicts: readonly Verdict[],
  before: readonly Condition[],
  { generation, now }: { readonly generation: number; readonly now: string },
): Condition[] {
  return verdicts.map(({ type, status, reason, message }) => {
    const old = before.find((condition) => condition.type === type);
    const lastTransitionTime = old?.status === status ? old.lastTransitionTime : now;
    const short = message.length > CONDITION_MESSAGE_MAX ? `${message.slice(0, CONDITION_MESSAGE_MAX - 1)}…` : message;
    return { type, status, reason, message: short, observedGeneration: generation, lastTransitionTime };
  });
}
