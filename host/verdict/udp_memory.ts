import { sumOf } from "../path/count.ts";
import type { Measures } from "../path/measures.ts";
import { nameOf } from "../path/sockets.ts";
import type { Verdict } from "./finding.ts";
import { isLoss, isSkew } from "./gates.ts";
import { count, share, size } from "./words.ts";

const PAGE_BYTES = 4096;
const NEAR = 0.9;
const HOLDERS_SHOWN = 3;

export interface MemoryPressure {
  readonly pages: number | undefined;
  readonly limitPages: number | undefined;
  readonly isNearLimit: boolean;
}

/** How far UDP's memory is from net.ipv4.udp_mem, machine-wide. */
export function memoryPressure({ before, after }: Measures): MemoryPressure {
  // Who reads gives memory back: it was short at one of the readings as a rule, and not at both.
  const pages = greatestOf([before.udpMemoryPages, after.udpMemoryPages]);
  const limitPages = after.sysctls.get("net.ipv4.udp_mem")?.[2];
  const isNearLimit = pages !== undefined && limitPages !== undefined && pages >= NEAR * limitPages;
  return { pages, limitPages, isNearLimit };
}

/** Cgroups of sockets' owners that came to their limit within the window. */
export function limitedCgroups({ before, after }: Measures): { cgroup: string; times: number }[] {
  return after.memoryCgroups.flatMap(({ cgroup, events }) => {
    const old = before.memoryCgroups.find((each) => each.cgroup === cgroup);
    const times = Number((events.get("max") ?? 0n) - (old?.events.get("max") ?? events.get("max") ?? 0n));
    return times > 0 ? [{ cgroup, times }] : [];
  });
}

/**
 * Refused for want of memory. Kernels before 5.11 have no column: a rest of InErrors while memory is short. Some of 6.18
 * count such drops only with the socket (commit b650bf0977d3, repaired by 820990d66577).
 */
export function memoryLoss(measures: Measures): number | undefined {
  const { memoryErrors, otherErrors } = measures.totals;
  const isShort = memoryPressure(measures).isNearLimit || limitedCgroups(measures).length > 0;
  if (memoryErrors === undefined) return isShort ? otherErrors : undefined;
  if (memoryErrors > 0) return memoryErrors;
  const errors = sumOf([measures.udp.ip4.inErrors, measures.udp.ip6.inErrors]) ?? 0;
  const drops = sumOf((measures.sockets ?? []).map((each) => each.drops)) ?? 0;
  const hidden = Math.max(0, drops - errors);
  // Whatever else a socket drops is in InErrors, too.
  return isShort || !isSkew(hidden, drops) ? hidden : memoryErrors;
}

function greatestOf(pages: readonly (number | undefined)[]): number | undefined {
  const known = pages.filter((each) => each !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

export const udpMemory: Verdict = {
  name: "udp-memory",
  handOff: "5",
  remedy: [
    "Give UDP more memory: sysctl -w net.ipv4.udp_mem='{udp-mem}' (pages of 4 KiB, machine-wide)",
    "Or make receive buffers smaller again (SO_RCVBUF, net.core.rmem_default): each full one takes its size from this budget",
    "Find the socket that holds it, which nobody reads or which is read too slowly: ss -ulnpm",
  ],
  inVain: [
    "A bigger receive buffer: it takes more of the memory that is short, and moves the loss to every other socket",
  ],
  find: (measures) => {
    const lost = memoryLoss(measures);
    if (!isLoss(lost, measures.totals.arrived)) return [];
    const pressure = memoryPressure(measures);
    if (!pressure.isNearLimit && limitedCgroups(measures).length > 0) return [];
    return [
      {
        severity: "loss",
        title: "The memory of all UDP sockets together is used up",
        datagrams: lost,
        proof: [
          `refused for want of memory: ${count(lost)}`,
          ...levelOf(pressure),
          ...buffersOf(measures, pressure),
          ...holdersOf(measures),
        ],
        fill: fillOf(pressure),
      },
    ];
  },
};

function levelOf({ pages, limitPages, isNearLimit }: MemoryPressure): string[] {
  if (pages === undefined || limitPages === undefined) return [];
  const level = `UDP holds ${count(pages)} of ${count(limitPages)} pages (${share(pages, limitPages)}) that net.ipv4.udp_mem allows`;
  const doubt = "not near it at this moment: it was a burst, or the limit of a cgroup that could not be read";
  return isNearLimit ? [level] : [level, doubt];
}

/** What an earlier remedy did: buffers that are promised more than there is. */
function buffersOf({ sockets = [] }: Measures, { limitPages }: MemoryPressure): string[] {
  const promised = sockets.reduce((sum, { socket }) => sum + (socket.receiveBufferBytes ?? 0), 0);
  if (limitPages === undefined || promised <= limitPages * PAGE_BYTES) return [];
  return [
    `receive buffers may take ${size(promised)} together, more than the ${size(limitPages * PAGE_BYTES)} of udp_mem: bigger buffers are the cause`,
  ];
}

function holdersOf({ sockets = [] }: Measures): string[] {
  const holders = [...sockets].sort((a, b) => b.socket.receiveQueueBytes - a.socket.receiveQueueBytes);
  return holders
    .filter(({ socket }) => socket.receiveQueueBytes >= PAGE_BYTES)
    .slice(0, HOLDERS_SHOWN)
    .map(
      ({ socket }) =>
        `${nameOf(socket)}${socket.owner ? ` (${socket.owner.command})` : ""} holds ${size(socket.receiveQueueBytes)}`,
    );
}

function fillOf({ limitPages }: MemoryPressure): Record<string, string> {
  if (limitPages === undefined) return {};
  return { "udp-mem": [2, 3, 4].map((times) => String(limitPages * times)).join(" ") };
}
