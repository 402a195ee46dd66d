import { CONDITION_MESSAGE_MAX, type Condition, type ConditionType } from "../../crds/status_schema.ts";
import type { Decision } from "../plan/decide.ts";
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
}

const SHOWN_NODES_MAX = 5;

/** What holds for a QuicProxy, in the order in which it comes true. Pure. */
export function judge(findings: Findings): Verdict[] {
  const accepted = judgeAccepted(findings.decision);
  const programmed = judgeProgrammed(findings);
  return [accepted, programmed, judgeReady(findings, accepted, programmed), judgeDegraded(findings.states)];
}

function judgeAccepted(decision: Decision): Verdict {
  if (!decision.ok) return { type: "Accepted", status: "False", ...decision.refusal };
  const notes = decision.warnings.map((warning) => `; note: ${warning}`).join("");
  return { type: "Accepted", status: "True", reason: "Accepted", message: `the spec can be run${notes}` };
}

function judgeProgrammed({ decision, states, applyError }: Findings): Verdict {
  const type = "Programmed";
  if (!decision.ok) {
    const message = `the spec is not accepted; ${keptText(states)}`;
    return { type, status: "False", reason: decision.refusal.reason, message };
  }
  if (applyError !== undefined) return { type, status: "False", reason: "ApplyFailed", message: applyError };
  if (decision.nodes.chosen.length === 0)
    return { type, status: "False", reason: "NoNodes", message: noNodesText(decision) };
  const done = states.filter(({ programmed }) => programmed).length;
  const all = decision.nodes.chosen.length;
  if (done === all)
    return {
      type,
      status: "True",
      reason: "Programmed",
      message: `${counted(all)} ${all === 1 ? "runs" : "run"} the present spec`,
    };
  return { type, status: "False", ...troubles(states, `${done} of ${counted(all)} run the present spec`, "Pending") };
}

function judgeReady({ decision, states }: Findings, accepted: Verdict, programmed: Verdict): Verdict {
  const type = "Ready";
  if (!decision.ok)
    return { type, status: "False", reason: accepted.reason, message: `${accepted.message}; ${keptText(states)}` };
  const ready = states.filter((state) => state.ready).length;
  const all = decision.nodes.chosen.length;
  const serving = decision.backends.filter(({ weight }) => weight > 0).length;
  if (programmed.status !== "True" && all === 0) return { ...programmed, type };
  if (serving === 0) return { type, status: "False", reason: "NoBackends", message: noBackendsText(decision) };
  if (programmed.status !== "True") return { ...programmed, type };
  if (ready === all) {
    return {
      type,
      status: "True",
      reason: "Ready",
      message: `${counted(all)} ${all === 1 ? "forwards" : "forward"} to ${serving} ${serving === 1 ? "backend" : "backends"}`,
    };
  }
  return { type, status: "False", ...troubles(states, `${ready} of ${counted(all)} ready`, "NotReady") };
}

function judgeDegraded(states: readonly NodeState[]): Verdict {
  const type = "Degraded";
  const degraded = states.filter((state) => state.degraded !== undefined);
  const [first] = degraded;
  if (first?.degraded === undefined)
    return { type, status: "False", reason: "AsAsked", message: "everything works as asked" };
  const others = degraded.length > 1 ? ` (and ${counted(degraded.length - 1)} more)` : "";
  return { type, status: "True", reason: "LessThanAsked", message: `${first.nodeName}: ${first.degraded}${others}` };
}

function troubles(states: readonly NodeState[], head: string, otherwise: string): { reason: string; message: string } {
  const found = states.flatMap(({ nodeName, trouble }) => (trouble === undefined ? [] : [{ nodeName, ...trouble }]));
  const shown = found.slice(0, SHOWN_NODES_MAX).map(({ nodeName, message }) => `; ${nodeName}: ${message}`);
  const more = found.length > SHOWN_NODES_MAX ? `; and ${found.length - SHOWN_NODES_MAX} more` : "";
  return { reason: found[0]?.reason ?? otherwise, message: head + shown.join("") + more };
}

function noNodesText({ spec, nodes }: Extract<Decision, { ok: true }>): string {
  if (nodes.eligible > 0) return "spec.scaling.nodes is 0: no node runs the proxy";
  const labels = Object.entries(spec.nodes?.selector ?? {}).map(([key, value]) => `${key}=${value}`);
  if (labels.length === 0)
    return "no node can run the proxy: all have taints that spec.nodes.tolerations does not tolerate";
  return (
    `no node has the labels of spec.nodes.selector (or its taints are not tolerated); ` +
    `label one: kubectl label node NAME ${labels.join(" ")}`
  );
}

function noBackendsText({ spec, backends }: Extract<Decision, { ok: true }>): string {
  const { service } = spec.backends;
  if (service === undefined) return "no backend has a weight above zero; add one to spec.backends.static";
  const draining = backends.length > 0 ? ` (${backends.length} not ready or terminating)` : "";
  return (
    `Service ${service.name} has no ready endpoint${draining}; see: ` +
    `kubectl get endpointslices -l kubernetes.io/service-name=${service.name}`
  );
}

function keptText(states: readonly NodeState[]): string {
  if (states.length === 0) return "nothing runs";
  return `${counted(states.length)} ${states.length === 1 ? "keeps" : "keep"} the last accepted spec`;
}

function counted(nodes: number): string {
  return `${nodes} ${nodes === 1 ? "node" : "nodes"}`;
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
