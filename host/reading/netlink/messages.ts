import { getSystemErrorMap } from "node:util";
import { u16, u32 } from "./octets.ts";

const HEADER_BYTES = 16;
const ERROR = 2;
const DONE = 3;
const MULTI = 0x2;
const DUMP_INTERRUPTED = 0x10;

/** struct nlmsghdr (linux/netlink.h) without its length, and what follows it. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

export interface NetlinkAnswer {
  readonly messages: readonly NetlinkMessage[];
  /** Why messages may be missing. */
  readonly problem?: string;
  /** The kernel refused: name of the system error. */
  readonly refusal?: string;
  /** The kernel's tables changed while it dumped them: another attempt may bring all of them. */
  readonly isInterrupted: boolean;
}

/** ENOENT and the like for the negative number that the kernel sends. */
function errorName(negative: number): string {
  return getSystemErrorMap().get(negative)?.[0] ?? `error ${-negative}`;
}

const asSigned = (value: number | undefined): number => (value ?? 0) | 0;

/** undefined: these octets begin with no whole message. */
function messageAt(octets: Uint8Array, at: number): (NetlinkMessage & { readonly end: number }) | undefined {
  const length = u32(octets, at) ?? 0;
  if (length < HEADER_BYTES || at + length > octets.length) return undefined;
  const [type, flags] = [u16(octets, at + 4)!, u16(octets, at + 6)!];
  return { type, flags, payload: octets.subarray(at + HEADER_BYTES, at + length), end: at + ((length + 3) & ~3) };
}

interface Walk {
  readonly messages: readonly NetlinkMessage[];
  /** Whether nothing has to follow: after DONE, or a message that came alone. */
  readonly isWhole: boolean;
  readonly isInterrupted: boolean;
  /** 0, or what the kernel refused with, negative. */
  readonly errorNumber: number;
}

function walk(octets: Uint8Array): Walk {
  const messages: NetlinkMessage[] = [];
  let [at, isWhole, isInterrupted] = [0, false, false];
  while (at < octets.length) {
    const message = messageAt(octets, at);
    if (message === undefined) return { messages, isWhole: false, isInterrupted, errorNumber: 0 };
    at = message.end;
    const isEnd = message.type === ERROR || message.type === DONE;
    isInterrupted ||= (message.flags & DUMP_INTERRUPTED) !== 0;
    isWhole = isEnd || (message.flags & MULTI) === 0;
    if (!isEnd) messages.push(message);
    const errorNumber = isEnd ? asSigned(u32(message.payload)) : 0;
    if (errorNumber < 0) return { messages, isWhole, isInterrupted, errorNumber };
  }
  return { messages, isWhole, isInterrupted, errorNumber: 0 };
}

/**
 * The messages of one or several answers, one after the other. What is cut off, refused or was changed meanwhile is said in
 * `problem`, and the messages before it are kept. Never throws.
 */
export function decodeMessages(octets: Uint8Array): NetlinkAnswer {
  const { messages, isWhole, isInterrupted, errorNumber } = walk(octets);
  if (errorNumber < 0) {
    const refusal = errorName(errorNumber);
    return { messages, isInterrupted, refusal, problem: `the kernel refused: ${refusal}` };
  }
  if (!isWhole) return { messages, isInterrupted, problem: `the answer ends after ${messages.length} messages` };
  if (isInterrupted) return { messages, isInterrupted, problem: "the table changed while it was read" };
  return { messages, isInterrupted };
}
