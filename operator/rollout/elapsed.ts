/**
 * How long ago something was, in milliseconds. Times are of other clocks: of the API server, of a node, of the operator before
 * this one, and any of them may be wrong or jump. What seems to be in the future is as far away as it seems, so that no
 * clock keeps a rollout from going on for longer than it is off.
 */
export function elapsedMs(nowMs: number, thenMs: number): number {
  return Math.abs(nowMs - thenMs);
}
