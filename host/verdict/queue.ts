import { greatest } from "../path/count.ts";
import type { Measures, SocketMeasure } from "../path/measures.ts";

/**
 * From this share on a buffer counts as full. The kernel gives room back late, up to a quarter of the buffer after it was
 * read (udp_rmem_release), and a train or a large datagram needs some at once.
 */
const FULL = 0.6;

/** What a receive buffer takes; where the kernel does not tell it: the default, or the most that was seen in it. */
export function capacityOf({ socket, queueBytes }: SocketMeasure, { after }: Measures): number {
  const known = socket.receiveBufferBytes;
  if (known !== undefined && known > 0) return known;
  return greatest([after.sysctls.get("net.core.rmem_default")?.[0], ...queueBytes]);
}

/** At how many of the readings the buffer was full. */
export function timesFull(measure: SocketMeasure, measures: Measures): number {
  const capacity = capacityOf(measure, measures);
  return capacity === 0 ? 0 : measure.queueBytes.filter((bytes) => bytes >= FULL * capacity).length;
}

/** Full at most readings, the last of two among them: no burst that the reader works off. */
export function isFull(measure: SocketMeasure, measures: Measures): boolean {
  const { queueBytes } = measure;
  const times = timesFull(measure, measures);
  const isFullNow = (queueBytes.at(-1) ?? 0) >= FULL * capacityOf(measure, measures) && times > 0;
  return times * 2 > queueBytes.length || (times * 2 === queueBytes.length && isFullNow);
}

/**
 * Full, and exactly as full since it came to that: it may have filled up after the first readings, but never fell. Of
 * more than two readings half show it, so that no reader has taken anything for that long.
 */
export function isStill(measure: SocketMeasure, measures: Measures): boolean {
  const { queueBytes } = measure;
  const last = queueBytes.at(-1) ?? 0;
  const since = queueBytes.indexOf(last);
  const still = queueBytes.length - since;
  if (queueBytes.length < 2 || still < Math.max(2, queueBytes.length / 2) || !isFull(measure, measures)) return false;
  return queueBytes.every((bytes, index) => bytes >= (queueBytes[index - 1] ?? 0));
}

/** At how many of the readings something waited: the reader had work. */
export const timesBusy = ({ queueBytes }: SocketMeasure): number => queueBytes.filter((bytes) => bytes > 0).length;

/** Of all these sockets: readings, those at which the buffer was full, and those at which something waited. */
export function occupancyOf(
  sockets: readonly SocketMeasure[],
  measures: Measures,
): { readonly full: number; readonly readings: number; readonly busy: number } {
  const sum = (of: (socket: SocketMeasure) => number): number => sockets.reduce((total, each) => total + of(each), 0);
  return {
    full: sum((socket) => timesFull(socket, measures)),
    readings: sum(({ queueBytes }) => queueBytes.length),
    busy: sum(timesBusy),
  };
}

/**
 * Arrival rate by what the reader can do (rho). What it can do is what it did, divided by the share of time in which it had
 * work: that is the share of readings at which something waited, and half a reading more of each kind, for readings are few
 * (the prior of Jeffreys). Bad checksums were read, too. Where other sockets of the namespace read much, it is more than this.
 */
export function utilization(measure: SocketMeasure, lost: number, measures: Measures): number {
  return rho(measure, lost, measures, busyShareOf(measure));
}

/** What that is at least: of few readings some show work by chance. One-sided, 95 %. */
export function utilizationAtLeast(measure: SocketMeasure, lost: number, measures: Measures): number {
  const share = busyShareOf(measure);
  const deviation = Math.sqrt((share * (1 - share)) / (measure.queueBytes.length + 1));
  return rho(measure, lost, measures, Math.max(0, share - ONE_SIDED_95 * deviation));
}

const ONE_SIDED_95 = 1.64;

const busyShareOf = (measure: SocketMeasure): number => (timesBusy(measure) + 0.5) / (measure.queueBytes.length + 1);

function rho(measure: SocketMeasure, lost: number, { totals }: Measures, busyShare: number): number {
  const done = (totals.delivered ?? 0) + (totals.checksumErrors ?? 0);
  if (done === 0) return timesBusy(measure) === 0 ? 0 : Number.POSITIVE_INFINITY;
  return (busyShare * (done + lost)) / done;
}
