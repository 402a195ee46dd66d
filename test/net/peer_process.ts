import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { Agent, get } from "node:http";
import type { Answer, Load, LoadResult, OpenOptions, Order, Received, SendOptions } from "./peer.ts";

/* Runs inside a namespace and does what its parent asks over IPC; ends with its parent. */

const TAKE_LIMIT_MS = 5_000;
const LOAD_END_LIMIT_MS = 5_000;

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
    if (loads.get(id)?.take(payload)) return;
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

/** Requests at a steady pace, one flow after the other; each carries its number and must come back. */
class RunningLoad {
  readonly #load: Load;
  readonly #waiting = new Map<number, number>();
  readonly #timer: NodeJS.Timeout;
  #sent = 0;
  #answered = 0;

  constructor(load: Load) {
    this.#load = load;
    this.#timer = setInterval(() => this.#tick(), load.intervalMs);
  }

  #tick(): void {
    const { flows, prefix, address, port } = this.#load;
    const flow = flows[this.#sent % flows.length]!;
    const request = Buffer.concat([prefix, Buffer.alloc(4)]);
    request.writeUInt32BE(this.#sent, prefix.length);
    this.#waiting.set(this.#sent, flow);
    this.#sent++;
    sockets.get(flow)!.send(request, port, address);
  }

  take(payload: Buffer): boolean {
    const number = payload.readUInt32BE(this.#load.prefix.length);
    if (this.#waiting.delete(number)) this.#answered++;
    return true;
  }

  state(): LoadResult {
    return { sent: this.#sent, answered: this.#answered, unanswered: [...this.#waiting.keys()] };
  }

  async stop(): Promise<LoadResult> {
    clearInterval(this.#timer);
    const deadline = Date.now() + LOAD_END_LIMIT_MS;
    while (this.#waiting.size > 0 && Date.now() < deadline) await new Promise((wake) => setTimeout(wake, 5));
    for (const flow of this.#load.flows) loads.delete(flow);
    return this.state();
  }
}

const loads = new Map<number, RunningLoad>();
let running: RunningLoad | undefined;

function startLoad(load: Load): void {
  running = new RunningLoad(load);
  for (const flow of load.flows) loads.set(flow, running);
}

const orders: { [Name in Order["name"]]: (order: Extract<Order, { name: Name }>) => unknown } = {
  open: ({ options }) => open(options),
  close: ({ socket }) => close(socket),
  send: ({ options }) => send(options),
  echo: ({ socket }) => void echoing.add(socket),
  take: ({ count }) => take(count),
  fetch: ({ url }) => fetchText(url),
  load: ({ load }) => startLoad(load),
  loadState: () => running!.state(),
  stopLoad: () => running!.stop(),
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
