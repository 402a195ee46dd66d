import type { SocketMeasure } from "../path/measures.ts";
import { nameOf } from "../path/sockets.ts";
import type { LosingSockets } from "./losing_sockets.ts";
import { size } from "./words.ts";

/** "UDP port 443 (nginx, PID 17)". */
export function portName({ group, sockets }: LosingSockets): string {
  const { socket } = sockets[0] ?? group[0]!;
  return `UDP port ${socket.localPort}${ownerName({ socket })}`;
}

export function ownerName({ socket }: Pick<SocketMeasure, "socket">): string {
  return socket.owner === undefined ? "" : ` (${socket.owner.command}, PID ${socket.owner.pid})`;
}

/** Name, owner, queue and buffer of one socket. */
export function socketLine(measure: SocketMeasure): string {
  const { socket, queueBytes } = measure;
  const queue = queueBytes.map(size);
  const shown = queue.length > 4 ? `${queue[0]} to ${queue.at(-1)}` : queue.join(", then ");
  const buffer = socket.receiveBufferBytes === undefined ? "" : `, of ${size(socket.receiveBufferBytes)}`;
  const gone = measure.isGone ? "; it was closed within the window" : "";
  return `${nameOf(socket)}${ownerName(measure)}: ${shown} waited${buffer}${gone}`;
}

/** Sum of the receive buffers of a group; undefined where the kernel does not tell. */
export function bufferOf(group: readonly SocketMeasure[]): number | undefined {
  const sizes = group.map(({ socket }) => socket.receiveBufferBytes);
  return sizes.some((each) => each === undefined)
    ? undefined
    : sizes.reduce<number>((sum, each) => sum + (each ?? 0), 0);
}
