import { sumOf } from "../path/count.ts";
import type { Measures, SocketMeasure } from "../path/measures.ts";
import { groupOf } from "../path/sockets.ts";
import { isLoss } from "./gates.ts";
import { isFull, isStill } from "./queue.ts";

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
    const reasonOf = (socket: SocketMeasure): Reason => reasonOfMember(socket, { group, measures, lost, lostBy });
    return [...Map.groupBy(losing, reasonOf)].map(([reason, sockets]) => ({
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
  readonly group: readonly SocketMeasure[];
  readonly measures: Measures;
  readonly lost: number;
  readonly lostBy: (socket: SocketMeasure) => number;
}

function reasonOfMember(socket: SocketMeasure, context: Context): Reason {
  const { measures } = context;
  if (!isFull(socket, measures)) return "burst";
  if (isForeign(socket, context)) return "foreign";
  if (isUnread(socket, context)) return "unread";
  return isHot(socket, context) ? "hot" : "mismatch";
}

/** Its processes are none of those that have the other members open. */
function isForeign(member: SocketMeasure, { group, measures }: Context): boolean {
  const own = member.socket.owner?.pid;
  if (own === undefined || group.length < 2 || !isStill(member, measures)) return false;
  const others = group.filter((each) => each !== member);
  return (
    others.every(({ socket }) => socket.owner !== undefined && socket.owner.pid !== own) && !someFull(others, measures)
  );
}

function isUnread(member: SocketMeasure, { group, measures, lostBy }: Context): boolean {
  if (!isStill(member, measures)) return false;
  const delivered = measures.totals.delivered;
  if (delivered === 0 || member.queueBytes.length >= STILL_READINGS) return true;
  if (delivered === undefined) return false;
  const others = group.filter((each) => each !== member);
  if (others.length === 0) return delivered < lostBy(member) / 10;
  // Whoever is not read loses its share of what comes, which is about what each of the others reads.
  return !someFull(others, measures) && lostBy(member) <= (3 * delivered) / others.length;
}

/** Alone in its group: what comes hashes to this one. */
function isHot(member: SocketMeasure, { group, measures, lost, lostBy }: Context): boolean {
  if (group.length < 2 || lostBy(member) < ALONE * lost) return false;
  return !someFull(
    group.filter((each) => each !== member),
    measures,
  );
}

const someFull = (sockets: readonly SocketMeasure[], measures: Measures): boolean =>
  sockets.some((socket) => isFull(socket, measures));
