import { subscribe } from "node:diagnostics_channel";
import type { ClientRequest } from "node:http";

/*
 * Loaded into the operator's process before the operator (`node --import`): how long its event loop had no turn, what it
 * wrote, what memory it had. Asked over the channel to the parent, it answers and begins anew.
 */

/** What was seen since it was asked last. */
export interface Seen {
  /** Longest time without a turn of the event loop, and how much of it was on a CPU. */
  readonly gap: Gap;
  /** The one with the most time on a CPU: what another process took of the machine is none of the operator's. */
  readonly work: Gap;
  /** CPU of all threads, in milliseconds. */
  readonly cpuMs: number;
  readonly writes: Readonly<Record<string, Sent>>;
  readonly reads: number;
  readonly lastWriteAtMs: number;
  /** Highest since the start of the process. */
  readonly maxRssMib: number;
  readonly rssMib: number;
}

interface Gap {
  readonly wallMs: number;
  readonly cpuMs: number;
}

interface Sent {
  count: number;
  octets: number;
}

const TICK_MS = 5;
const NONE: Gap = { wallMs: 0, cpuMs: 0 };
const RESOURCE = /^\/apis?\/(?:v1|[^/]+\/[^/]+)\/(?:namespaces\/[^/]+\/)?([a-z]+)/;

let gap = NONE;
let work = NONE;
let writes: Record<string, Sent> = {};
let reads = 0;
let lastWriteAtMs = 0;
let cpuBefore = process.cpuUsage();

const threadMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

/** From its first request on: before, it is loaded, which is one stretch in every program. */
let last: { atMs: number; cpuMs: number } | undefined;
setInterval(() => {
  if (last === undefined) return;
  const now = { atMs: performance.now(), cpuMs: threadMs() };
  const present = { wallMs: now.atMs - last.atMs, cpuMs: now.cpuMs - last.cpuMs };
  if (present.wallMs > gap.wallMs) gap = present;
  if (present.cpuMs > work.cpuMs) work = present;
  last = now;
}, TICK_MS).unref();

subscribe("http.client.request.start", (message) => {
  const { request } = message as { request: ClientRequest };
  last ??= { atMs: performance.now(), cpuMs: threadMs() };
  if (request.method === "GET") {
    reads++;
    return;
  }
  const what = `${request.method} ${RESOURCE.exec(request.path)?.[1] ?? request.path}`;
  const sent = writes[what] ?? { count: 0, octets: 0 };
  writes[what] = sent;
  sent.count++;
  sent.octets += Number(request.getHeader("content-length") ?? 0);
  lastWriteAtMs = Date.now();
});

process.on("message", () => {
  const { user, system } = process.cpuUsage(cpuBefore);
  const maxRssMib = process.resourceUsage().maxRSS / 1024;
  const rssMib = process.memoryUsage.rss() / 1024 / 1024;
  const seen: Seen = { gap, work, cpuMs: (user + system) / 1000, writes, reads, lastWriteAtMs, maxRssMib, rssMib };
  process.send?.(seen);
  gap = NONE;
  work = NONE;
  writes = {};
  reads = 0;
  cpuBefore = process.cpuUsage();
});
process.on("disconnect", () => process.exit());
