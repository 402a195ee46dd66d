/** What the X-macro list of counters and the enums of the native header say, as data. */
export type CounterKind = "Entry" | "Outcome" | "Event";

export interface CounterDefinition {
  /** `<stage>_<outcome>`, as in C++ and in the metric names. */
  name: string;
  stage: string;
  outcome: string;
  kind: CounterKind;
  help: string;
}

const ENTRY = /^QP_COUNTER\((\w+), (\w+), (Entry|Outcome|Event), "((?:[^"\\]|\\.)*)"\)$/;

/**
 * Reads native/abi/counters.def in its order, which is the order of the cells in memory.
 * Throws on a line that is neither a comment nor one whole QP_COUNTER entry: a skipped line would shift every
 * counter after it.
 */
export function parseCounterDefinitions(text: string): CounterDefinition[] {
  const definitions: CounterDefinition[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("//")) continue;
    const match = ENTRY.exec(line);
    if (!match) throw new Error(`counters.def:${index + 1}: not one whole QP_COUNTER(...) entry: ${line}`);
    const [, stage, outcome, kind, help] = match as unknown as [string, string, string, CounterKind, string];
    definitions.push({ name: `${stage}_${outcome}`, stage, outcome, kind, help });
  }
  return definitions;
}

/** The members of `enum class <name>` in a C++ header, without `k` and kCount: kForwardedBytes -> forwardedBytes. */
export function parseEnum(header: string, name: string): string[] {
  const body = new RegExp(`enum class ${name} : uint8_t \\{([^}]*)\\}`).exec(header)?.[1];
  if (body === undefined) throw new Error(`counters.h: no enum class ${name}`);
  const members = body.replace(/\/\/.*$/gm, "").match(/\bk[A-Z]\w*/g) ?? [];
  return members
    .filter((member) => member !== "kCount")
    .map((member) => member.charAt(1).toLowerCase() + member.slice(2));
}

/** The value of `inline constexpr uint32_t <name>` in a C++ header. */
export function parseConstant(header: string, name: string): number {
  const value = new RegExp(`constexpr uint32_t ${name} = (0x[0-9a-fA-F]+|[0-9]+);`).exec(header)?.[1];
  if (value === undefined) throw new Error(`counters.h: no constant ${name}`);
  return Number(value);
}
