import type { Server } from "node:http";
import type { Socket } from "node:net";

/*
 * Whoever reaches the port of metrics and health can open connections and never ask, or ask and never read. Each is an open
 * file, and the health of the process is asked for by the same way.
 */

/** Connections at rest; one more ends the oldest of them. */
const MAX_AT_REST = 32;
/** Connections in all. Beyond, a new one is closed at once. */
const MAX = 48;
/** A connection on which nothing moves for so long is closed, also in the midst of an answer. */
const SILENCE_MS = 10_000;

/** Keeps a server for metrics and health answering, however many connections it has. */
export function boundConnections(server: Server): void {
  const atRest = new Set<Socket>();
  const rest = (socket: Socket): void => {
    if (socket.destroyed) return;
    atRest.add(socket);
    const [oldest] = atRest;
    if (atRest.size > MAX_AT_REST) oldest?.destroy();
  };
  server.maxConnections = MAX;
  server.timeout = SILENCE_MS;
  server.on("connection", (socket) => {
    socket.once("close", () => atRest.delete(socket));
    rest(socket);
  });
  server.on("request", ({ socket }, response) => {
    atRest.delete(socket);
    response.once("close", () => rest(socket));
  });
}
