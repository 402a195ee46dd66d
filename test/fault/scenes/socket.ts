import { readFileSync } from "node:fs";
import type { Scene } from "../scene.ts";
import { HOST_V6 } from "../stage/stage.ts";

/** About 900 datagrams, which is much beside what a paced reader takes in one turn on a busy machine. */
export const BUFFER = { buffer: 1 << 20, force: true } as const;
const FULL_BUFFER = { "udp4.RcvbufErrors": 200, "udp4.InErrors": 200, "sockets.drops": 200 };

export const slowConsumer: Scene = {
  fault: "slow consumer (rho 4)",
  handOff: "5",
  verdict: "consumption-mismatch",
  remedy: /more workers/,
  reason: "SOCKET_RCVBUFF",
  exitCode: 1,
  moves: FULL_BUFFER,
  still: ["udp4.InCsumErrors", "udp4.NoPorts"],
  reach: "namespace",
  play: async (stage) => {
    await stage.receive({ rate: 1000, ...BUFFER });
    await stage.send({ rate: 4000, sources: 8 });
  },
};

export const slowConsumerOverIpv6: Scene = {
  ...slowConsumer,
  fault: "slow consumer over IPv6",
  moves: { "udp6.RcvbufErrors": 200, "udp6.InErrors": 200, "sockets.drops": 200 },
  still: ["udp4.InErrors"],
  play: async (stage) => {
    await stage.receive({ bind: HOST_V6, rate: 1000, ...BUFFER });
    await stage.send({ to: HOST_V6, rate: 4000, sources: 8 });
  },
};

export const dualStack: Scene = {
  ...slowConsumer,
  fault: "slow consumer, IPv4 to an IPv6 socket",
  still: ["udp6.InErrors"],
  play: async (stage) => {
    await stage.receive({ bind: "::", rate: 1000, ...BUFFER });
    await stage.send({ rate: 4000, sources: 8 });
  },
};

export const burst: Scene = {
  fault: "bursts of 500 (rho 0.25)",
  handOff: "5",
  verdict: "burst",
  remedy: /SO_RCVBUF/,
  reason: "SOCKET_RCVBUFF",
  exitCode: 1,
  moves: FULL_BUFFER,
  still: ["udp4.InCsumErrors"],
  reach: "namespace",
  play: async (stage) => {
    await stage.receive({ rate: 4000 });
    await stage.send({ rate: 1000, burst: 500 });
  },
};

export const hotWorker: Scene = {
  fault: "hot worker (one source flow)",
  handOff: "5",
  verdict: "hot-socket",
  remedy: /several flows/,
  reason: "SOCKET_RCVBUFF",
  exitCode: 1,
  moves: FULL_BUFFER,
  reach: "namespace",
  play: async (stage) => {
    await stage.receive({ members: 4, rate: 1500, ...BUFFER });
    await stage.send({ rate: 5000 });
  },
};

export const unreadMember: Scene = {
  fault: "unread member of the group",
  handOff: "5",
  verdict: "unread-socket",
  remedy: /close it/,
  reason: "SOCKET_RCVBUFF",
  exitCode: 1,
  moves: FULL_BUFFER,
  reach: "namespace",
  play: async (stage) => {
    await stage.receive({ members: 4, unread: 1 });
    await stage.send({ rate: 4000, sources: 64 });
  },
};

export const foreignMember: Scene = {
  fault: "foreign member joins the group",
  handOff: "5",
  verdict: "foreign-socket",
  remedy: /^Stop /m,
  reason: "SOCKET_RCVBUFF",
  exitCode: 1,
  moves: FULL_BUFFER,
  reach: "namespace",
  play: async (stage) => {
    await stage.receive({ members: 3 });
    await stage.receive({ unread: 1 });
    await stage.send({ rate: 4000, sources: 64 });
  },
};

export const groReceiver: Scene = {
  fault: "GRO receiver (trains of 10)",
  handOff: "5",
  verdict: "consumption-mismatch",
  remedy: /more workers/,
  reason: "SOCKET_RCVBUFF",
  exitCode: 1,
  moves: { "udp4.RcvbufErrors": 200, "sockets.drops": 200 },
  reach: "namespace",
  play: async (stage) => {
    await stage.receive({ rate: 100, gro: true, ...BUFFER });
    await stage.send({ rate: 4000, train: 10 });
  },
};

export const socketFilter: Scene = {
  fault: "socket filter",
  handOff: "5",
  verdict: "socket-filter",
  remedy: /filter/,
  reason: "SOCKET_FILTER",
  exitCode: 1,
  moves: { "udp4.InErrors": 500, "sockets.drops": 500 },
  still: ["udp4.RcvbufErrors", "udp4.InCsumErrors", "udp4.NoPorts"],
  reach: "namespace",
  play: async (stage) => {
    await stage.receive({ refuse: true });
    await stage.send({ rate: 1000 });
  },
};

const rmemMax = (): number => Number(readFileSync("/proc/sys/net/core/rmem_max", "utf8"));

/** The kernel grants twice rmem_max; a datagram of 1,200 octets takes about 2,304. */
const clampedDatagrams = (): number => Math.ceil((2 * rmemMax()) / 2304);

export const clamp: Scene = {
  fault: "clamp by rmem_max",
  handOff: "5",
  verdict: "receive-buffer-clamped",
  first: "burst",
  remedy: /rmem_max=.*SO_RCVBUF/,
  reason: "SOCKET_RCVBUFF",
  exitCode: 1,
  moves: FULL_BUFFER,
  reach: "namespace",
  play: async (stage) => {
    const room = clampedDatagrams();
    // Three times the room at once, every two seconds: too much also where a busy machine takes a second to send it.
    await stage.receive({ rate: 2 * room, buffer: 1 << 30 });
    await stage.send({ rate: 1.5 * room, burst: 3 * room });
  },
};
