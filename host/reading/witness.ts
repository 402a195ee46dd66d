/*
 * What the kernel itself says of the drops within a window, beside the counters: the second witness. Numbers and text alone,
 * so that bundles hold it as it is.
 */

/**
 * reasons: why each datagram was dropped (skb:kfree_skb). udp_fail: those that a full socket refused
 * (udp:udp_fail_queue_rcv_skb). counters: there is no second witness.
 */
export const EVIDENCE_LEVELS = ["reasons", "udp_fail", "counters"] as const;
export type EvidenceLevel = (typeof EVIDENCE_LEVELS)[number];

/** in: to this host or through it, and `port` is the destination. out: from a socket of this host, and `port` is the source. */
const DIRECTIONS = ["in", "out"] as const;
export type DropDirection = (typeof DIRECTIONS)[number];

/** What was dropped for one reason at one place. */
export interface Drop {
  /** Of enum skb_drop_reason of that kernel, without its prefix: SOCKET_RCVBUFF, NETFILTER_DROP, ... */
  readonly reason: string;
  /** Inode number of the network namespace. */
  readonly namespace: number;
  /** 0: not known. */
  readonly interfaceIndex: number;
  /** 0: a frame that is no IP, and nobody's datagram. */
  readonly family: 0 | 4 | 6;
  /** 0: none that was asked about, or a fragment. */
  readonly port: number;
  readonly direction: DropDirection;
  /** Not the first fragment of its datagram. */
  readonly isFragment: boolean;
  /** SO_COOKIE of the socket in decimal; absent: none, or not known. */
  readonly cookie?: string;
  readonly skbs: number;
  /** More than skbs where receive or send offload had merged some. */
  readonly datagrams: number;
  readonly octets: number;
}

export interface Witness {
  readonly level: EvidenceLevel;
  /** Why each better level is not there, the best first. */
  readonly refusals: readonly { readonly level: EvidenceLevel; readonly why: string }[];
  /** The network namespace of the readings beside which this was counted. */
  readonly namespace: number;
  /** For how long it counted. */
  readonly seconds: number;
  readonly drops: readonly Drop[];
  /** Runs of the program, whatever was freed. */
  readonly events: number;
  /** Datagrams for which there was no room among the keys. */
  readonly lost: number;
  /** UDP or not, nobody could read. */
  readonly unreadable: number;
  /** Runs that the kernel left out. */
  readonly missed: number;
  /** Ended before the window did, because so much was dropped that watching it would have cost too much. */
  readonly stopped?: { readonly eventsPerSecond: number };
}

class WitnessFault extends Error {}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown, where: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new WitnessFault(`${where} is no object`);
}

function numberOf(fields: Fields, name: string, where: string, isWhole = true): number {
  const value = fields[name];
  const isGood = isWhole ? Number.isSafeInteger(value) : Number.isFinite(value);
  if (isGood && (value as number) >= 0) return value as number;
  throw new WitnessFault(`${where}.${name} is ${isWhole ? "no whole number" : "no number"} of 0 or more`);
}

function textOf(fields: Fields, name: string, where: string, pattern = /^[^\p{Cc}]{1,1000}$/u): string {
  const value = fields[name];
  if (typeof value === "string" && pattern.test(value)) return value;
  throw new WitnessFault(`${where}.${name} is no text of the form ${pattern.source}`);
}

function choiceOf<Choice>(fields: Fields, name: string, where: string, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === fields[name]);
  if (found !== undefined) return found;
  throw new WitnessFault(`${where}.${name} is none of ${choices.join(", ")}`);
}

/** The program in the kernel has no more keys. */
const MAXIMUM_DROPS = 2048;

function arrayOf(fields: Fields, name: string, where: string): readonly unknown[] {
  const value = fields[name];
  if (Array.isArray(value) && value.length <= MAXIMUM_DROPS) return value;
  throw new WitnessFault(`${where}.${name} is no list of at most ${MAXIMUM_DROPS}`);
}

function parseDrop(value: unknown, where: string): Drop {
  const fields = fieldsOf(value, where);
  const number = (name: string): number => numberOf(fields, name, where);
  return {
    reason: textOf(fields, "reason", where, /^[A-Za-z0-9_]{1,100}$/),
    namespace: number("namespace"),
    interfaceIndex: number("interfaceIndex"),
    family: choiceOf(fields, "family", where, [0, 4, 6] as const),
    port: number("port"),
    direction: choiceOf(fields, "direction", where, DIRECTIONS),
    isFragment: choiceOf(fields, "isFragment", where, [true, false]),
    ...(fields.cookie !== undefined && { cookie: textOf(fields, "cookie", where, /^\d{1,20}$/) }),
    skbs: number("skbs"),
    datagrams: number("datagrams"),
    octets: number("octets"),
  };
}

function parseRefusal(value: unknown, where: string): Witness["refusals"][number] {
  const fields = fieldsOf(value, where);
  return { level: choiceOf(fields, "level", where, EVIDENCE_LEVELS), why: textOf(fields, "why", where) };
}

/**
 * A witness out of a bundle.
 *
 * @param value parsed JSON that anybody may have written
 * @throws Error that names the field and what is wrong with it
 */
export function parseWitness(value: unknown): Witness {
  const where = "witness";
  const fields = fieldsOf(value, where);
  const number = (name: string): number => numberOf(fields, name, where);
  const parseStopped = (stopped: unknown): { eventsPerSecond: number } => {
    const at = `${where}.stopped`;
    return { eventsPerSecond: numberOf(fieldsOf(stopped, at), "eventsPerSecond", at, false) };
  };
  return {
    level: choiceOf(fields, "level", where, EVIDENCE_LEVELS),
    refusals: arrayOf(fields, "refusals", where).map((each, i) => parseRefusal(each, `${where}.refusals[${i}]`)),
    namespace: number("namespace"),
    seconds: numberOf(fields, "seconds", where, false),
    drops: arrayOf(fields, "drops", where).map((each, i) => parseDrop(each, `${where}.drops[${i}]`)),
    events: number("events"),
    lost: number("lost"),
    unreadable: number("unreadable"),
    missed: number("missed"),
    ...(fields.stopped !== undefined && { stopped: parseStopped(fields.stopped) }),
  };
}
