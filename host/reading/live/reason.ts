/*
 * Why a source could not be read, with the right that is missing where one is.
 */

export const codeOf = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
};

const TEXTS: Readonly<Record<string, string>> = {
  EFBIG: "it is longer than what is read of it",
  ENODEV: "the interface is gone",
  ENXIO: "the interface is gone",
  ESRCH: "the process has ended",
  EOPNOTSUPP: "the driver does not tell",
  EPROTONOSUPPORT: "this kernel, or a sandbox, has no such netlink protocol",
  EAFNOSUPPORT: "this kernel, or a sandbox, has no netlink",
};

/** Sentence for a refusal. `absent`: what it means that there is no such thing; `right`: what a caller lacks. */
export function reasonOf(error: unknown, { absent, right }: { absent: string; right: string }): string {
  const code = codeOf(error);
  if (code === undefined) return error instanceof Error ? error.message : String(error);
  if (code === "ENOENT") return `not there (ENOENT): ${absent}`;
  if (code === "EACCES" || code === "EPERM") return `not allowed (${code}): needs ${right}`;
  const text = TEXTS[code];
  return text === undefined ? `the kernel refused it: ${code}` : `${text} (${code})`;
}
