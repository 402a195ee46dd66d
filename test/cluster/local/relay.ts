import { fork } from "node:child_process";
import { openSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { type Daemon, startTicksOf } from "./daemon.ts";

/*
 * Carries connections from 127.0.0.1 of the machine to the API server inside its namespace. A socket belongs to the
 * network namespace it was made in, so the listening one is made outside and handed to a process inside.
 */

export interface RelayPlan {
  namespace: string;
  target: { address: string; port: number };
  logFile: string;
}

export interface Relay {
  daemon: Daemon;
  /** On 127.0.0.1. */
  port: number;
}

export async function startRelay({ namespace, target, logFile }: RelayPlan): Promise<Relay> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the relay has no port");
  const log = openSync(logFile, "a");
  const child = fork(import.meta.filename, [target.address, String(target.port)], {
    execPath: "ip",
    execArgv: ["netns", "exec", namespace, process.execPath],
    detached: true,
    stdio: ["ignore", log, log, "ipc"],
  });
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the relay ended with ${code}; see ${logFile}`)));
    child.once("message", () => resolve());
    child.send("listen", server);
  });
  child.removeAllListeners("exit");
  child.disconnect();
  child.unref();
  server.close();
  const daemon = { name: "relay", pid: child.pid!, startTicks: startTicksOf(child.pid!) ?? "", logFile };
  return { daemon, port: address.port };
}

function carry(incoming: Socket, address: string, port: number): void {
  const outgoing = connect(port, address);
  for (const [one, other] of [
    [incoming, outgoing],
    [outgoing, incoming],
  ] as const) {
    one.on("error", () => other.destroy());
    one.on("close", () => other.destroy());
    one.pipe(other);
  }
}

if (import.meta.main) {
  const [address, port] = process.argv.slice(2);
  process.once("message", (_, server) => {
    (server as Server).on("connection", (incoming) => carry(incoming, address!, Number(port)));
    process.send?.("listening");
  });
}
