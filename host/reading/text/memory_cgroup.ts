import type { Counters } from "../reading.ts";
import { decimal, exactNumber, linesOf, type Parsed, quoted, wordsOf } from "./columns.ts";

/**
 * memory.events of cgroup v2 (mm/memcontrol.c, memory_events_show): `name value` lines, 64 bit: low, high, max, oom, oom_kill,
 * oom_group_kill (5.17), and more to come. Events of a cgroup are also counted in all above it.
 */
export function parseMemoryEvents(text: string): Parsed<Counters> {
  const events = new Map<string, bigint>();
  for (const [name = "", word] of linesOf(text).map(wordsOf)) {
    const value = decimal(word);
    if (value !== undefined && /^[a-z_]{1,64}$/.test(name)) events.set(name, value);
  }
  return events.size > 0 ? { value: events } : { value: undefined, reason: `no names with numbers: ${quoted(text)}` };
}

/** memory.current or memory.max, in octets. "max" means no limit: nothing, without a reason. */
export function parseMemorySize(text: string): Parsed<number> {
  if (text.trim() === "max") return { value: undefined };
  const value = exactNumber(text.trim());
  return value === undefined ? { value, reason: `neither a number nor max: ${quoted(text)}` } : { value };
}
