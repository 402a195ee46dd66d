import { createSocket, type RemoteInfo } from "node:dgram";

export interface ProbeSender {
  readonly address: string;
  readonly port: number;
}

/** A UDP socket on any free port. */
export interface ProbeSocket {
  /** `done` gets the error of the system, if there is one. */
  send(datagram: Uint8Array, to: ProbeSender, done: (error: NodeJS.ErrnoException | null) => void): void;
  close(): void;
}

export interface ProbeSocketEvents {
  onDatagram(datagram: Uint8Array, from: ProbeSender): void;
  /** The socket is of no more use. */
  onError(error: NodeJS.ErrnoException): void;
}

export type OpenProbeSocket = (family: 4 | 6, events: ProbeSocketEvents) => ProbeSocket;

/** The system's sockets. They do not keep the process alive. */
export const openProbeSocket: OpenProbeSocket = (family, { onDatagram, onError }) => {
  const socket = family === 4 ? createSocket("udp4") : createSocket({ type: "udp6", ipv6Only: true });
  let open = true;
  const close = (): void => {
    if (open) socket.close();
    open = false;
  };
  socket.on("message", (datagram: Buffer, from: RemoteInfo) => onDatagram(datagram, from));
  socket.on("error", (error) => {
    close();
    onError(error);
  });
  socket.unref();
  return {
    send: (datagram, { address, port }, done) => socket.send(datagram, port, address, done),
    close,
  };
};
