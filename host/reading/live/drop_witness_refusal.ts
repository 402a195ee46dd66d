/* Why a host gives no second witness, for people, and what would help. */

interface Files {
  readText(path: string): string;
}

/** linux/capability.h */
const SYS_ADMIN = 21;
const CAPABILITIES = [
  { name: "CAP_PERFMON", bit: 38 },
  { name: "CAP_BPF", bit: 39 },
] as const;

/** Those of CAP_BPF and CAP_PERFMON that this process lacks; CAP_SYS_ADMIN stands for both. undefined: not known. */
export function lackingCapabilities(status: string): readonly string[] | undefined {
  const effective = /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(status)?.[1];
  if (effective === undefined) return undefined;
  const has = (bit: number): boolean => ((BigInt(`0x${effective}`) >> BigInt(bit)) & 1n) === 1n;
  return has(SYS_ADMIN) ? [] : CAPABILITIES.filter(({ bit }) => !has(bit)).map(({ name }) => name);
}

/** Whether the kernel is locked down so far that programs cannot read its memory. */
export const isConfidential = (lockdown: string): boolean => lockdown.includes("[confidentiality]");

function textOf(files: Files, path: string): string {
  try {
    return files.readText(path);
  } catch {
    return "";
  }
}

/**
 * @param error what the addon threw: `code` as in DropReasonsClass
 * @param files /proc/self/status and the state of the lockdown, which need not be there
 */
export function whyNot(error: unknown, files: Files): string {
  const { code, message } = error as { code?: string; message?: string };
  const said = message ?? String(error);
  if (isConfidential(textOf(files, "/sys/kernel/security/lockdown"))) {
    return "the kernel is locked down (confidentiality): no program may read its memory";
  }
  if (code === "NoTypes") return `${said}: /sys/kernel/btf/vmlinux is missing or unreadable (CONFIG_DEBUG_INFO_BTF)`;
  if (code !== "NoRights") return said;
  const lacking = lackingCapabilities(textOf(files, "/proc/self/status"));
  if (lacking === undefined || lacking.length === 0) {
    return `${said}, and was refused although it seems to have both: a security module, seccomp, or another user namespace`;
  }
  return `${said}, and this process lacks ${lacking.join(" and ")}: run it as root`;
}
