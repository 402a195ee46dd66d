import type { HealthConfig } from "./config.ts";
import { sum } from "./samples.ts";
import { type FlowCounts, isSilent } from "./silence.ts";
import type { BackendState } from "./state.ts";

/**
 * Why the trial of a backend is over and it gets its whole share, or undefined. Pure. `flows`: new flows of the others.
 *
 * Time alone ends it where nothing speaks against the backend: nobody sent it anything, or no backend answers, as in a
 * one-way protocol. One that leaves all unanswered while others answer theirs has only not got enough yet to be judged.
 */
export function endOfTrial(
  state: BackendState,
  { passive, maxBackoffMs }: HealthConfig,
  flows: FlowCounts,
  nowMs: number,
): string | undefined {
  const { lastAnswerAtMs, sinceMs, samples } = state;
  if (lastAnswerAtMs !== undefined && lastAnswerAtMs >= sinceMs) return "it answers probes, its trial is over";
  const { forwarded, returned } = sum(samples);
  if (passive !== undefined && returned > 0 && !isSilent(forwarded, returned, passive)) {
    return `${returned} ${returned === 1 ? "datagram" : "datagrams"} came back, its trial is over`;
  }
  if (nowMs - sinceMs < maxBackoffMs) return undefined;
  const isSuspect = forwarded > 0 && returned === 0 && flows.all.answered > 0;
  return isSuspect ? undefined : `its trial is over, nothing spoke against it in ${Math.round(maxBackoffMs / 1000)} s`;
}
