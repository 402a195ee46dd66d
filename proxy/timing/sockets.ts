import { TRUESIZE_BYTES } from "../../host/path/truesize.ts";
import type { NativeEndpoint, NativeSocket } from "../apply/addon.ts";
import { counterDelta } from "../counters/rates.ts";

/** What became of the listening sockets of one worker between two readings. */
export interface SocketGrowth {
  /** Datagrams that found the buffer full. */
  drops: number;
  /** Octets that wait more than before, as the kernel accounts them; negative: fewer. */
  queuedBytes: number;
  /** Whether anything waited at the earlier reading. */
  waitedBefore: boolean;
  /** Of the socket with the least room. */
  freeBytes: number;
  /** Its receive buffer; 0: the worker has no listening socket. */
  bufferBytes: number;
}

/** For what is larger than the block: headers, room in front, skb_shared_info and the sk_buff. */
const TRUESIZE_OVERHEAD_BYTES = 1104;

/**
 * What a datagram takes of a socket's receive buffer. Drivers and kernels differ, and nobody tells: this is what most take.
 */
export function truesizeBytes(payloadBytes: number, datagrams: number): number {
  const mean = datagrams > 0 ? payloadBytes / datagrams : 0;
  return Math.max(TRUESIZE_BYTES, mean + TRUESIZE_OVERHEAD_BYTES);
}

type Endpoints = readonly NativeEndpoint[] | undefined;

/** By address: the same address may have another place after a reload. */
function socketsOf(endpoints: Endpoints, worker: number): Map<string, NativeSocket> {
  const sockets = new Map<string, NativeSocket>();
  for (const { address, port, sockets: ofWorkers = [] } of endpoints ?? []) {
    const own = ofWorkers.find((socket) => socket.worker === worker);
    if (own !== undefined) sockets.set(`${address} ${port}`, own);
  }
  return sockets;
}

export function socketGrowth(previous: Endpoints, current: Endpoints, worker: number): SocketGrowth {
  const before = socketsOf(previous, worker);
  const growth = { drops: 0, queuedBytes: 0, waitedBefore: false, freeBytes: 0, bufferBytes: 0 };
  for (const [address, { kernelDrops, queued, receiveBuffer }] of socketsOf(current, worker)) {
    const old = before.get(address);
    growth.drops += counterDelta(old?.kernelDrops ?? 0, kernelDrops);
    growth.queuedBytes += queued - (old?.queued ?? 0);
    growth.waitedBefore ||= (old?.queued ?? 0) > 0;
    const freeBytes = Math.max(0, receiveBuffer - queued);
    if (growth.bufferBytes === 0 || freeBytes < growth.freeBytes) {
      Object.assign(growth, { freeBytes, bufferBytes: receiveBuffer });
    }
  }
  return growth;
}
