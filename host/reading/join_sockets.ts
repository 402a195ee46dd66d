import type { DiagSocket } from "./netlink/udp_sockets.ts";
import type { SocketOwner, UdpSocket } from "./reading.ts";
import type { Parsed } from "./text/columns.ts";

/** A file has one inode; sockets without one (their file is closed, they linger) are told apart by their addresses. */
function keyOf({ family, inode, localAddress, localPort, remote }: DiagSocket): string {
  if (inode !== 0) return `${inode}`;
  return `${family} ${localAddress} ${localPort} ${remote?.address ?? ""} ${remote?.port ?? ""}`;
}

/**
 * One list of both sources of one address family: what inet_diag says counts, drops that it does not know (old kernels) are
 * those of /proc/net/udp, and so are sockets that it does not have. undefined: neither source is there.
 */
export function joinSockets(
  diag: readonly DiagSocket[] | undefined,
  table: readonly UdpSocket[] | undefined,
): Parsed<UdpSocket[]> {
  if (diag === undefined && table === undefined) return { value: undefined };
  const rest = new Map((table ?? []).map((socket) => [keyOf(socket), socket]));
  const sockets: UdpSocket[] = [];
  let uncounted = 0;
  for (const socket of diag ?? []) {
    const drops = socket.drops ?? rest.get(keyOf(socket))?.drops;
    rest.delete(keyOf(socket));
    if (drops === undefined) uncounted++;
    else sockets.push({ ...socket, drops });
  }
  // Not push(...): hundreds of thousands of arguments overflow the stack.
  for (const socket of rest.values()) sockets.push(socket);
  if (uncounted === 0) return { value: sockets };
  return { value: sockets, reason: `${uncounted} sockets are left out: this kernel tells no drops of them` };
}

/** With who has them open. */
export function withOwners(
  sockets: readonly UdpSocket[],
  owners: ReadonlyMap<number, SocketOwner> | undefined,
): UdpSocket[] {
  return sockets.map((socket) => {
    const owner = socket.inode === 0 ? undefined : owners?.get(socket.inode);
    return owner === undefined ? socket : { ...socket, owner };
  });
}
