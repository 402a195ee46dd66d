import { isDeepStrictEqual } from "node:util";
import type { QuicProxyStatus } from "../../crds/status_schema.ts";

/** What two statuses differ in, at most: measured numbers, how far a change has come, or what anybody may wait for. */
export type Difference = "numbers" | "progress" | "state";

const NUMBERS = ["workers", "dropsPerSecond", "unansweredPerSecond", "datagramsPerSecond", "flows"];

export function differenceOf(a: Partial<QuicProxyStatus>, b: Partial<QuicProxyStatus>): Difference {
  const [withoutNumbers, other] = [without(a, NUMBERS), without(b, NUMBERS)];
  if (isDeepStrictEqual(withoutNumbers, other)) return "numbers";
  return isDeepStrictEqual(withoutProgress(withoutNumbers), withoutProgress(other)) ? "progress" : "state";
}

/** That no backend is well any more shows in conditions; how many are is a number like others. */
function without(
  { backends, ...status }: Partial<QuicProxyStatus>,
  names: readonly string[],
): Partial<QuicProxyStatus> {
  const rest = Object.fromEntries(Object.entries(status).filter(([key]) => !names.includes(key)));
  if (backends === undefined) return rest;
  const { serving, draining } = backends;
  return { ...rest, backends: { serving, draining } };
}

/** Conditions that go on holding, or not holding, for the same reason say in their messages how many nodes are done. */
function withoutProgress({ conditions, nodes, ...rest }: Partial<QuicProxyStatus>): object {
  const held = conditions?.map(({ message: _, ...condition }) => condition);
  return { ...rest, conditions: held, desired: nodes?.desired };
}
