import type { Events } from "../kube/events.ts";
import type { Log } from "../process/log.ts";
import type { Applied } from "./apply.ts";
import { listed } from "./listing.ts";
import type { ObservedProxy } from "./world.ts";

const SHOWN_NAMES_MAX = 6;

export function logApplied(log: Log, applied: Applied): void {
  for (const { need, object } of applied.written) {
    const { kind, metadata } = object;
    log.info({ need, kind, object: metadata.name }, `${need}d ${kind} ${metadata.name}`);
  }
  for (const { kind, metadata } of applied.altered) {
    const text = `${kind} ${metadata.name} is not as it was applied: an admission webhook changes it; it is left so`;
    log.warn({ kind, object: metadata.name }, text);
  }
}

/** What was written and removed, as events on the QuicProxy. */
export async function tellApplied(events: Events, proxy: ObservedProxy, { written, removed }: Applied): Promise<void> {
  const action = "Apply";
  for (const need of ["create", "update"] as const) {
    const names = written
      .filter((each) => each.need === need)
      .map(({ object }) => `${object.kind} ${object.metadata.name}`);
    const reason = need === "create" ? "Created" : "Updated";
    if (names.length > 0)
      await events.record(proxy, {
        type: "Normal",
        reason,
        action,
        note: `${need}d ${listed(names, SHOWN_NAMES_MAX)}`,
      });
  }
  if (removed.length > 0) {
    const note = `removed ${listed(removed, SHOWN_NAMES_MAX)}: these nodes no longer run the proxy`;
    await events.record(proxy, { type: "Normal", reason: "NodesRemoved", action, note });
  }
}
