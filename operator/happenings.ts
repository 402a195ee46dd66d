import type { Condition, QuicProxyStatus } from "../crds/status_schema.ts";
import type { Happening } from "../kube/events.ts";
import { ACCEPTED_WITH_NOTES } from "./status/conditions.ts";
import { NOT_REPORTING } from "./status/nodes.ts";

const ACTION = "Observe";
/** What only takes its time, or is meant to be so. */
const QUIET: ReadonlySet<string> = new Set(["Pending", "Draining"]);
const UNDER_WAY: ReadonlySet<string> = new Set(["RollingOut", "RolloutPaused"]);

/** What a new status says that the one before it did not, as events. Pure. */
export function statusHappenings(before: Partial<QuicProxyStatus>, after: Partial<QuicProxyStatus>): Happening[] {
  const turned = (after.conditions ?? []).filter((condition) => hasTurned(before.conditions ?? [], condition));
  const happenings = turned.flatMap(conditionHappening);
  // One trouble shows in several conditions; the first in their order says it best.
  const once = happenings.filter(
    ({ reason }, index) => happenings.findIndex((each) => each.reason === reason) === index,
  );
  return [...once, ...rolloutHappening(before, after), ...backendHappening(before, after)];
}

/** A reason that changes while the status stays is another trouble, not the same. */
function hasTurned(before: readonly Condition[], { type, status, reason }: Condition): boolean {
  const old = before.find((condition) => condition.type === type);
  return old?.status !== status || old.reason !== reason;
}

/** Something that only takes its time is no news. */
function conditionHappening({ type, status, reason, message }: Condition): Happening[] {
  const isGood = (status === "True") === (type !== "Degraded");
  const note = `${type}: ${message}`;
  if (status === "Unknown" && reason !== NOT_REPORTING) return [];
  if (UNDER_WAY.has(reason)) return [{ type: "Normal", reason, action: ACTION, note }];
  if (!isGood) return QUIET.has(reason) ? [] : [{ type: "Warning", reason, action: ACTION, note }];
  if (reason === ACCEPTED_WITH_NOTES) return [{ type: "Warning", reason, action: ACTION, note }];
  return type === "Ready" ? [{ type: "Normal", reason, action: ACTION, note }] : [];
}

/** A rollout that came to its end, and did not only stop to be one because the spec is refused or something is missing. */
function rolloutHappening(before: Partial<QuicProxyStatus>, after: Partial<QuicProxyStatus>): Happening[] {
  const of = ({ conditions = [] }: Partial<QuicProxyStatus>) => conditions.find(({ type }) => type === "Programmed");
  const [old, present] = [of(before), of(after)];
  const wasRolling = old !== undefined && (UNDER_WAY.has(old.reason) || old.reason === "RolloutHalted");
  if (!wasRolling || present?.status !== "True") return [];
  return [{ type: "Normal", reason: "RolledOut", action: ACTION, note: `Programmed: ${present.message}` }];
}

function backendHappening(before: Partial<QuicProxyStatus>, after: Partial<QuicProxyStatus>): Happening[] {
  const [old, present] = [before.backends, after.backends];
  if (old === undefined || present === undefined) return [];
  if (old.serving === present.serving && old.draining === present.draining) return [];
  const text = ({ serving, draining }: typeof old): string => `${serving} serving, ${draining} draining`;
  const note = `backends changed: ${text(present)} (before: ${text(old)})`;
  return [{ type: "Normal", reason: "BackendsChanged", action: "Apply", note }];
}
