import { parseEnums } from "./btf.ts";
import type { Drop, DropDirection } from "./witness.ts";

/*
 * What the kernel calls its reasons. Their numbers are another in each release, so that names come from the running kernel.
 */

const REASONS = "skb_drop_reason";
const SUBSYSTEMS = "skb_drop_reason_subsys";
const PREFIX = "SKB_DROP_REASON_";
const SUBSYSTEM_PREFIX = "SKB_DROP_REASON_SUBSYS_";
/** Of the enum, but no reasons. */
const NO_REASONS: ReadonlySet<string> = new Set([`${PREFIX}MAX`, `${PREFIX}SUBSYS_MASK`]);
/** The subsystem is in the upper 16 bits; 0 is the kernel's core. */
const subsystemOf = (raw: number): number => raw >>> 16;

/** Names a reason by its number: never empty, also where the kernel does not tell. */
export type ReasonNames = (raw: number) => string;

/**
 * Names of all reasons that the kernel and these of its modules have, without the prefix that all have.
 *
 * @param vmlinux octets of /sys/kernel/btf/vmlinux
 * @param modules those of modules with reasons of their own, such as openvswitch
 * @throws Error for octets that are no BTF, or for a kernel without reasons (before 5.17)
 */
export function parseReasonNames(vmlinux: Uint8Array, modules: readonly Uint8Array[] = []): ReasonNames {
  const isWanted = (name: string): boolean => name.includes("drop_reason");
  const own = parseEnums(vmlinux, isWanted);
  const reasons = own.get(REASONS);
  if (reasons === undefined) throw new Error(`BTF: this kernel has no enum ${REASONS}`);
  const names = new Map<number, string>();
  for (const { name, value } of reasons) {
    if (!NO_REASONS.has(name)) names.set(value, name.replace(PREFIX, ""));
  }
  for (const enums of [own, ...modules.map((module) => parseEnums(module, isWanted, vmlinux))]) {
    const foreign = [...enums.values()]
      .flat()
      .filter(({ name, value }) => subsystemOf(value) > 0 && !NO_REASONS.has(name));
    for (const { name, value } of foreign) if (!names.has(value)) names.set(value, name);
  }
  const subsystems = new Map(
    (own.get(SUBSYSTEMS) ?? []).map(({ name, value }) => [value, name.replace(SUBSYSTEM_PREFIX, "")]),
  );
  return (raw) => {
    const prefix =
      subsystemOf(raw) === 0 ? "REASON" : (subsystems.get(subsystemOf(raw)) ?? `SUBSYSTEM_${subsystemOf(raw)}`);
    return names.get(raw) ?? `${prefix}_${raw & 0xffff}`;
  };
}

/** Why a socket's queue refused a datagram, under the names of the reasons that say the same: ENOMEM, ENOBUFS. */
const ERRNO_NAMES: ReadonlyMap<number, string> = new Map([
  [12, "SOCKET_RCVBUFF"],
  [105, "PROTO_MEM"],
]);

/** An entry of the addon: one key of the program's map, summed over CPUs. */
export interface DropEntry {
  readonly reason: number;
  /** The reason is an error number, not one of the kernel's reasons. */
  readonly isErrno: boolean;
  readonly namespace: number;
  readonly interfaceIndex: number;
  readonly family: number;
  readonly port: number;
  readonly direction: DropDirection;
  readonly isFragment: boolean;
  /** 0n: none. */
  readonly cookie: bigint;
  readonly skbs: number;
  readonly datagrams: number;
  readonly octets: number;
}

export function dropOf({ reason, isErrno, family, cookie, ...rest }: DropEntry, names: ReasonNames): Drop {
  const name = isErrno ? (ERRNO_NAMES.get(reason) ?? `ERRNO_${reason}`) : names(reason);
  return {
    ...rest,
    reason: name,
    family: family === 4 || family === 6 ? family : 0,
    ...(cookie !== 0n && { cookie: String(cookie) }),
  };
}
