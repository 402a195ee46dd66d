import type { Reading, UdpSocket } from "../reading/reading.ts";
import type { SocketMeasure } from "./measures.ts";
import type { Comparison, Window } from "./window.ts";

/** Hand-off 5: the sockets of the second reading, each with what it did since the first. */
export function socketMeasures(window: Window, comparison: Comparison): SocketMeasure[] | undefined {
  const { before, between, after, subject } = window;
  if (before.sockets === undefined || after.sockets === undefined) return undefined;
  const earlier = [before, ...between].map(findable);
  const sizes = groupSizes(after.sockets);
  return after.sockets.map((socket) => {
    const seen = earlier.map((find) => find(socket));
    const old = seen[0];
    return {
      socket,
      isSubject: subject.port === undefined || socket.localPort === subject.port,
      // One that was made within the window began at 0.
      drops: comparison.count({ handOff: "5", what: nameOf(socket), width: 32 }, old?.drops ?? 0, socket.drops),
      queueBytes: [...seen.filter((each) => each !== undefined), socket].map((each) => each.receiveQueueBytes),
      isOld: old !== undefined,
      groupSize: sizes.get(groupOf(socket)) ?? 1,
    };
  });
}

/** "[::]:443 inode 7": for people. */
export function nameOf({ family, localAddress, localPort, inode }: UdpSocket): string {
  const address = family === 6 ? `[${localAddress}]` : localAddress;
  return `socket ${address}:${localPort}${inode === 0 ? "" : ` inode ${inode}`}`;
}

/** Members of one SO_REUSEPORT group have it in common. A connected socket is in none. */
export function groupOf({ family, localAddress, localPort, remote, inode }: UdpSocket): string {
  const own = remote === undefined ? "" : ` ${remote.address} ${remote.port} ${inode}`;
  return `${family} ${localAddress} ${localPort}${own}`;
}

/** inode numbers are used again; a cookie never is, but only inet_diag tells it. */
function findable({ sockets = [] }: Reading): (wanted: UdpSocket) => UdpSocket | undefined {
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

function groupSizes(sockets: readonly UdpSocket[]): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const socket of sockets) sizes.set(groupOf(socket), (sizes.get(groupOf(socket)) ?? 0) + 1);
  return sizes;
}
