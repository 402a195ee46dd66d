import type { Events } from "../kube/events.ts";
import type { Log } from "../process/log.ts";
import type { Applied } from "./apply.ts";
import type { ObservedProxy } from "./world.ts";

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
      await events.record(proxy, { type: "Normal", reason, action, note: `${need}d ${shorten(names)}` });
  }
  if (removed.length > 0) {
    const note = `removed ${shorten(removed)}: these nodes no longer run the proxy`;
    await events.record(proxy, { type: "Normal", reason: "NodesRemoved", action, note });
  }
}

const SHOWN_NAMES_MAX = 6;

function shorten(names: readonly string[]): string {
  const more = names.length > SHOWN_NAMES_MAX ? ` and ${names.length - SHOWN_NAMES_MAX} more` : "";
  return names.slice(0, SHOWN_NAMES_MAX).join(", ") + more;
}
