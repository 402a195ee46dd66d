import { sumOf } from "../path/count.ts";
import type { Measures, SocketMeasure } from "../path/measures.ts";
import { groupOf } from "../path/sockets.ts";
import { isLoss } from "./gates.ts";
import { isFull, isStill, utilizationAtLeast } from "./queue.ts";

/*
 * Which sockets lose datagrams because their buffer is full, and why. Each loss has one reason: foreign, unread and hot are
 * told of single members of a SO_REUSEPORT group, mismatch and burst of a whole group.
 */

export type Reason = "foreign" | "unread" | "hot" | "mismatch" | "burst";

export interface LosingSockets {
  readonly reason: Reason;
  /** One, or all that lose for this reason in one group. */
  readonly sockets: readonly SocketMeasure[];
  /** All members of the group, the losing ones among them. */
  readonly group: readonly SocketMeasure[];
  /** Datagrams lost to a full buffer. */
  readonly lost: number;
}

/** A queue that stood still at so many readings is not read; with fewer, chance may have it. */
const STILL_READINGS = 4;
/** One member that has this share of its group's loss is alone. */
const ALONE = 0.6;

export function losingSockets(measures: Measures): LosingSockets[] {
  const groups = Map.groupBy(measures.sockets ?? [], ({ socket }) => groupOf(socket));
  const perDrop = datagramsPerDrop(measures);
  return [...groups.values()].flatMap((group) => {
    const lostBy = (socket: SocketMeasure): number => (socket.drops ?? 0) * perDrop;
    const losing = group.filter((socket) => lostBy(socket) > 0);
    const lost = losing.reduce((sum, socket) => sum + lostBy(socket), 0);
    if (!isLoss(Math.round(lost), measures.totals.arrived)) return [];
    const context = contextOf(group, { measures, lost, lostBy });
    return [...Map.groupBy(losing, (socket) => reasonOf(socket, context))].map(([reason, sockets]) => ({
      reason,
      sockets,
      group,
      lost: Math.round(sockets.reduce((sum, socket) => sum + lostBy(socket), 0)),
    }));
  });
}

/**
 * Datagrams lost to full buffers for each drop of a socket: its drops count bad checksums, filters and memory as well, and
 * one drop may be a train of several datagrams.
 */
function datagramsPerDrop({ sockets = [], totals, udp }: Measures): number {
  const errors = sumOf([udp.ip4.receiveBufferErrors, udp.ip6.receiveBufferErrors]);
  if (errors === undefined) return 1;
  if (errors === 0) return 0;
  const drops = sumOf(sockets.map((each) => each.drops)) ?? 0;
  return ((totals.receiveBufferErrors ?? 0) / errors) * Math.min(1, drops === 0 ? 0 : errors / drops);
}

interface Context {
  readonly measures: Measures;
  /** By all members of the group. */
  readonly lost: number;
  readonly lostBy: (socket: SocketMeasure) => number;
  readonly members: number;
  readonly full: ReadonlySet<SocketMeasure>;
  /** How many members each process has open; undefined: of those whose process is not known. */
  readonly byProcess: ReadonlyMap<number | undefined, number>;
}

function contextOf(group: readonly SocketMeasure[], own: Pick<Context, "measures" | "lost" | "lostBy">): Context {
  const byProcess = new Map<number | undefined, number>();
  for (const { socket } of group) byProcess.set(socket.owner?.pid, (byProcess.get(socket.owner?.pid) ?? 0) + 1);
  const full = new Set(group.filter((socket) => isFull(socket, own.measures)));
  return { ...own, members: group.length, full, byProcess };
}

function reasonOf(socket: SocketMeasure, context: Context): Reason {
  if (!context.full.has(socket)) {
    return utilizationAtLeast(socket, context.lost, context.measures) >= 1 ? "mismatch" : "burst";
  }
  const isStanding = isStill(socket, context.measures);
  if (isStanding && isForeign(socket, context)) return "foreign";
  if (isStanding && isUnread(socket, context)) return "unread";
  return isHot(socket, context) ? "hot" : "mismatch";
}

/** Of a member that is full: whether it is the only one. */
const othersHaveRoom = ({ members, full }: Context): boolean => members > 1 && full.size === 1;

/** Its process has none of the other members open. */
function isForeign({ socket }: SocketMeasure, context: Context): boolean {
  const { byProcess } = context;
  const own = socket.owner?.pid;
  return own !== undefined && byProcess.get(own) === 1 && !byProcess.has(undefined) && othersHaveRoom(context);
}

function isUnread(member: SocketMeasure, context: Context): boolean {
  const { measures, lostBy, members } = context;
  const { delivered } = measures.totals;
  if (delivered === 0 || member.queueBytes.length >= STILL_READINGS) return true;
  if (delivered === undefined) return false;
  if (members === 1) return delivered < lostBy(member) / 10;
  // Whoever is not read loses its share of what comes, which is about what each of the others reads.
  return othersHaveRoom(context) && lostBy(member) <= (3 * delivered) / (members - 1);
}

/** Alone in its group: what comes hashes to this one. */
const isHot = (member: SocketMeasure, context: Context): boolean =>
  context.lostBy(member) >= ALONE * context.lost && othersHaveRoom(context);
