import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { connect } from "node:net";
import type { Answer, Load, LoadResult, OpenOptions, Order, Received, SendOptions } from "./peer.ts";

/* Runs inside a namespace and does what its parent asks over IPC; ends with its parent. */

const TAKE_LIMIT_MS = 30_000;

const sockets = new Map<number, Socket>();
const echoing = new Set<number>();
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const received: Received[] = [];
let onReceived = (): void => {};
let lastId = 0;

async function open({ family, address, port = 0, reusePort = false }: OpenOptions): Promise<object> {
  const id = ++lastId;
  const v6 = family === 6;
  const socket = createSocket({ type: v6 ? "udp6" : "udp4", ipv6Only: v6, reusePort });
  socket.on("message", (payload, from) => {
    const load = loads.get(id);
    if (load) return load.take(payload);
    if (echoing.has(id)) socket.send(payload, from.port, from.address);
    received.push({ socket: id, payload, address: from.address, port: from.port });
    onReceived();
  });
  socket.bind(port, address);
  await once(socket, "listening");
  // A refused datagram is no reason to end.
  socket.on("error", () => {});
  sockets.set(id, socket);
  return { id, port: socket.address().port };
}

function send({ socket, payload, address, port }: SendOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null): void => (error ? reject(error) : resolve());
    sockets.get(socket)!.send(payload, port, address, done);
  });
}

/** Takes what came; waits for `count` datagrams, never longer than the limit. */
async function take(count: number): Promise<Received[]> {
  const deadline = Date.now() + TAKE_LIMIT_MS;
  while (received.length < count && Date.now() < deadline) {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, deadline - Date.now());
      onReceived = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
  return received.splice(0, count === 0 ? received.length : count);
}

async function close(id: number): Promise<void> {
  const socket = sockets.get(id);
  sockets.delete(id);
  echoing.delete(id);
  if (socket) await new Promise<void>((resolve) => socket.close(resolve));
}

function fetchText(url: string): Promise<object> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode, body }));
    });
    request.on("error", reject);
  });
}

/** Begins a request and says no more; the connection stays until the server ends it. */
async function beginRequest(port: number): Promise<void> {
  const connection = connect(port, "127.0.0.1");
  connection.on("error", () => {});
  connection.resume();
  await once(connection, "connect");
  await new Promise((resolve) => connection.write("GET /healthz HTTP/1.1\r\n", resolve));
}

/** Requests at a steady pace, one flow after the other; each carries its number and must come back. */
class RunningLoad {
  readonly #load: Load;
  readonly #waiting = new Set<number>();
  readonly #timer: NodeJS.Timeout;
  #sent = 0;
  #answered = 0;

  constructor(load: Load) {
    this.#load = load;
    this.#timer = setInterval(() => this.#tick(), load.intervalMs);
  }

  #tick(): void {
    const { flows, address, port } = this.#load;
    const { socket, prefix } = flows[this.#sent % flows.length]!;
    const number = Buffer.alloc(4);
    number.writeUInt32BE(this.#sent);
    this.#waiting.add(this.#sent);
    this.#sent++;
    sockets.get(socket)!.send([prefix, number], port, address);
  }

  /** Takes an answer to a request of this load. */
  take(payload: Buffer): void {
    if (this.#waiting.delete(payload.readUInt32BE(payload.length - 4))) this.#answered++;
  }

  state(): LoadResult {
    return { sent: this.#sent, answered: this.#answered, unanswered: [...this.#waiting] };
  }

  async stop(limitMs: number): Promise<LoadResult> {
    clearInterval(this.#timer);
    const deadline = Date.now() + limitMs;
    while (this.#waiting.size > 0 && Date.now() < deadline) await new Promise((wake) => setTimeout(wake, 5));
    for (const { socket } of this.#load.flows) loads.delete(socket);
    return this.state();
  }
}

const loads = new Map<number, RunningLoad>();
let running: RunningLoad | undefined;

function startLoad(load: Load): void {
  running = new RunningLoad(load);
  for (const { socket } of load.flows) loads.set(socket, running);
}

const orders: { [Name in Order["name"]]: (order: Extract<Order, { name: Name }>) => unknown } = {
  open: ({ options }) => open(options),
  close: ({ socket }) => close(socket),
  send: ({ options }) => send(options),
  echo: ({ socket }) => void echoing.add(socket),
  take: ({ count }) => take(count),
  fetch: ({ url }) => fetchText(url),
  beginRequest: ({ port }) => beginRequest(port),
  load: ({ load }) => startLoad(load),
  loadState: () => running!.state(),
  stopLoad: ({ limitMs }) => running!.stop(limitMs),
};

process.on("message", async ({ id, order }: { id: number; order: Order }) => {
  let answer: Answer;
  try {
    answer = { id, value: await (orders[order.name] as (order: Order) => unknown)(order) };
  } catch (error) {
    answer = { id, error: String(error) };
  }
  process.send?.(answer);
});
process.on("disconnect", () => process.exit(0));
