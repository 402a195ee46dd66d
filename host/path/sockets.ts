import { formatAddress } from "../../process/host_port.ts";
import type { Reading, UdpSocket } from "../reading/reading.ts";
import type { SocketMeasure } from "./measures.ts";
import type { Comparison, Window } from "./window.ts";

/**
 * Hand-off 5: every socket that was seen after the first reading, each with what it did since then. One that was closed
 * within the window took its counter along: of it the last reading that has it counts.
 */
export function socketMeasures(window: Window, comparison: Comparison): SocketMeasure[] | undefined {
  const { before, between, after } = window;
  if (before.sockets === undefined || after.sockets === undefined) return undefined;
  const readings = [before, ...between, after].map(seenIn);
  return readings.flatMap((reading, place) => {
    if (place === 0) return [];
    const later = readings.slice(place + 1);
    return reading.sockets
      .filter((socket) => !later.some(({ find }) => find(socket) !== undefined))
      .map((socket) => measureOf(socket, { readings: readings.slice(0, place + 1), window, comparison }));
  });
}

/** "[::]:443 inode 7": for people. */
export function nameOf({ localAddress, localPort, inode }: UdpSocket): string {
  return `socket ${formatAddress(localAddress, localPort)}${inode === 0 ? "" : ` inode ${inode}`}`;
}

/** Members of one SO_REUSEPORT group have it in common. A connected socket is in none. */
export function groupOf({ family, localAddress, localPort, remote, inode }: UdpSocket): string {
  const own = remote === undefined ? "" : ` ${remote.address} ${remote.port} ${inode}`;
  return `${family} ${localAddress} ${localPort}${own}`;
}

interface Seen {
  readonly reading: Reading;
  readonly sockets: readonly UdpSocket[];
  readonly groupSizes: ReadonlyMap<string, number>;
  readonly find: (wanted: UdpSocket) => UdpSocket | undefined;
}

function seenIn(reading: Reading): Seen {
  const sockets = reading.sockets ?? [];
  const groups = Map.groupBy(sockets, groupOf);
  return {
    reading,
    sockets,
    groupSizes: new Map([...groups].map(([group, members]) => [group, members.length])),
    find: finderIn(sockets),
  };
}

function measureOf(
  socket: UdpSocket,
  // Up to the last one that has it.
  { readings, window, comparison }: { readings: readonly Seen[]; window: Window; comparison: Comparison },
): SocketMeasure {
  const { subject, after } = window;
  const last = readings.at(-1)!;
  const all = readings.map(({ find }) => find(socket));
  const queueBytes = all.flatMap((each) => (each === undefined ? [] : [each.receiveQueueBytes]));
  return {
    // Who has it open is told by whole readings only.
    socket: { ...all[0], ...socket },
    isSubject: subject.port === undefined || socket.localPort === subject.port,
    // One that was made within the window began at 0.
    drops: comparison.count({ handOff: "5", what: nameOf(socket), width: 32 }, all[0]?.drops ?? 0, socket.drops),
    queueBytes,
    isOld: all[0] !== undefined,
    isGone: last.reading !== after,
    groupSize: last.groupSizes.get(groupOf(socket)) ?? 1,
  };
}

/** inode numbers are used again; a cookie never is, but only inet_diag tells it. */
function finderIn(sockets: readonly UdpSocket[]): Seen["find"] {
  const byCookie = new Map(sockets.flatMap((socket) => (socket.cookie === undefined ? [] : [[socket.cookie, socket]])));
  const byPlace = new Map(sockets.map((socket) => [placeOf(socket), socket]));
  return (wanted) => {
    const exact = wanted.cookie === undefined ? undefined : byCookie.get(wanted.cookie);
    if (exact !== undefined) return exact;
    const alike = byPlace.get(placeOf(wanted));
    const isOther = alike?.cookie !== undefined && wanted.cookie !== undefined;
    return isOther || wanted.inode === 0 ? undefined : alike;
  };
}

const placeOf = (socket: UdpSocket): string => `${groupOf(socket)} ${socket.inode}`;
