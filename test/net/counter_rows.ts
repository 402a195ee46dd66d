import { expect } from "vitest";
import { checkConservation } from "../../proxy/counters/conservation.ts";
import { COUNTERS, type CounterName } from "../../proxy/counters/names.generated.ts";
import { counterDeltas } from "../../proxy/counters/rates.ts";
import type { CounterTotals } from "../../proxy/counters/read.ts";
import type { CountersReport } from "../../proxy/metrics/report.ts";
import { addressOf, type Network } from "./network.ts";
import type { Peer, Received } from "./peer.ts";
import { LISTEN_PORT, type ProxyProcess } from "./proxy.ts";

export type Delta = Partial<CounterTotals>;

/** What one step does; each is done when its datagram has reached its end. */
export type Step =
  | {
      send: Uint8Array;
      /** Name of the client's socket; opened at its first use. Default "a". */
      from?: string;
      /** The client's own address. Default: its first one of the family. */
      fromAddress?: string;
      /** The edge's address. Default: its first one of the family. */
      to?: string;
      /** Default 4. */
      family?: 4 | 6;
      /** seen: a backend gets it. sent: only handed to the kernel. dropped: not even that. Default seen. */
      fate?: "seen" | "sent" | "dropped";
    }
  /** The backend answers the socket named, to where that one's latest datagram came from. */
  | { answer: Uint8Array; toward?: string; fate?: "seen" | "dropped" }
  | { act: (scene: Scene) => unknown };

export interface Row {
  name: string;
  steps: readonly Step[];
  /**
   * Every counter that moves, beside those that follow from the steps: datagrams and octets received, sent and
   * returned, one call each.
   */
  moves: Delta;
}

export interface Scene {
  network: Network;
  proxy: ProxyProcess;
  /** Whose sockets the backends are. Default: the backend's peer. */
  backends?: Peer;
}

interface Client {
  id: number;
  port: number;
  sentTo: string;
  /** Where its latest datagram came out, as the backend saw it. */
  upstream?: Received;
}

const SETTLE_LIMIT_MS = 50_000;

/** Each socket of a client has a port of its own: one that comes again is a path that the proxy knows already. */
let nextClientPort = 10_000;

type SendStep = Extract<Step, { send: Uint8Array }>;
type AnswerStep = Extract<Step, { answer: Uint8Array }>;

const sum = (sizes: readonly Uint8Array[]): number => sizes.reduce((total, { length }) => total + length, 0);

// As text: comparing buffers of 64 KiB octet by octet takes seconds.
const hex = (octets: Uint8Array): string => Buffer.from(octets).toString("hex");
const textOf = (datagram: Received | undefined): string => (datagram ? hex(datagram.payload) : "nothing");

function movesOfSteps(steps: readonly Step[]): Delta {
  const sends = steps.filter((step): step is SendStep => "send" in step);
  const answers = steps.filter((step): step is AnswerStep => "answer" in step);
  const forwarded = sends.filter(({ fate }) => fate !== "dropped");
  const returned = answers.filter(({ fate }) => fate !== "dropped");
  return {
    receive_datagrams: sends.length,
    receive_bytes: sum(sends.map(({ send }) => send)),
    receive_batches: sends.length,
    forward_sent: forwarded.length,
    forward_bytes: sum(forwarded.map(({ send }) => send)),
    forward_calls: forwarded.length,
    return_received: answers.length,
    return_received_bytes: sum(answers.map(({ answer }) => answer)),
    return_sent: returned.length,
    return_bytes: sum(returned.map(({ answer }) => answer)),
    return_calls: answers.length,
  };
}

/** Reads until two readings agree and `enough` holds, or the limit passes: what is missing then shows in the comparison. */
export async function settle(proxy: ProxyProcess, enough: (now: CountersReport) => boolean): Promise<CountersReport> {
  const deadline = Date.now() + SETTLE_LIMIT_MS;
  let before = await proxy.counters();
  for (;;) {
    await new Promise((wake) => setTimeout(wake, 10));
    const now = await proxy.counters();
    const rests = COUNTERS.every(({ name }) => now.totals[name] === before.totals[name]);
    if ((rests && enough(now)) || Date.now() > deadline) return now;
    before = now;
  }
}

class Player {
  readonly #scene: Scene;
  readonly #clients = new Map<string, Client>();
  readonly #start: CountersReport;
  #received = 0;
  #returned = 0;

  constructor(scene: Scene, start: CountersReport) {
    this.#scene = scene;
    this.#start = start;
  }

  get #backends(): Peer {
    return this.#scene.backends ?? this.#scene.network.backend;
  }

  settle(): Promise<CountersReport> {
    const { receive_datagrams, return_received } = this.#start.totals;
    return settle(this.#scene.proxy, ({ totals }) => {
      const received = totals.receive_datagrams - receive_datagrams === this.#received;
      return received && totals.return_received - return_received === this.#returned;
    });
  }

  async play(step: Step): Promise<void> {
    if ("act" in step) await step.act(this.#scene);
    else if ("send" in step) await this.#send(step);
    else await this.#answer(step);
  }

  async #client({ from = "a", fromAddress, family = 4 }: SendStep): Promise<Client> {
    const known = this.#clients.get(from);
    if (known) return known;
    const { network } = this.#scene;
    const address = fromAddress ?? addressOf(network.topology.client.own, family);
    const opened = { ...(await network.client.open({ family, address, port: nextClientPort++ })), sentTo: "" };
    this.#clients.set(from, opened);
    return opened;
  }

  async #send(step: SendStep): Promise<void> {
    const { network } = this.#scene;
    const { send: payload, family = 4, fate = "seen" } = step;
    const client = await this.#client(step);
    client.sentTo = step.to ?? addressOf(network.topology.edge.towardClients, family);
    await network.client.send({ socket: client.id, payload, address: client.sentTo, port: LISTEN_PORT });
    this.#received++;
    if (fate !== "seen") return void (await this.settle());
    const [seen] = await this.#backends.take(1);
    expect(textOf(seen), "what the backend received").toBe(hex(payload));
    client.upstream = seen!;
  }

  async #answer({ answer: payload, toward = "a", fate = "seen" }: AnswerStep): Promise<void> {
    const client = this.#clients.get(toward)!;
    const { socket, address, port } = client.upstream!;
    await this.#backends.send({ socket, payload, address, port });
    this.#returned++;
    if (fate !== "seen") return void (await this.settle());
    const [got] = await this.#scene.network.client.take(1);
    expect(textOf(got), "what the client received").toBe(hex(payload));
    const { address: from, port: fromPort } = got!;
    const expected = { socket: client.id, address: client.sentTo, port: LISTEN_PORT };
    expect({ socket: got!.socket, address: from, port: fromPort }, "from where it had sent to").toEqual(expected);
  }

  async close(): Promise<void> {
    const { client } = this.#scene.network;
    for (const { id } of this.#clients.values()) await client.close(id);
  }
}

const total = (report: CountersReport, cell: keyof CountersReport["backends"][number]): number =>
  report.backends.reduce((value, backend) => value + Number(backend[cell]), 0);

const stageDrops = (totals: CounterTotals, stage: string): number =>
  COUNTERS.filter(({ name }) => name.startsWith(`${stage}_dropped_`)).reduce(
    (value, { name }) => value + totals[name],
    0,
  );

/** The backends' own cells say the same as the workers' counters. */
export function expectBackendsToAgree(report: CountersReport): void {
  const { totals } = report;
  expect({
    forwarded: total(report, "forwarded"),
    forwardedBytes: total(report, "forwardedBytes"),
    returned: total(report, "returned"),
    returnedBytes: total(report, "returnedBytes"),
    flowsCreated: total(report, "flowsCreated"),
    refused: total(report, "refused"),
    dropped: total(report, "dropped"),
  }).toEqual({
    forwarded: totals.forward_sent,
    forwardedBytes: totals.forward_bytes,
    returned: totals.return_sent,
    returnedBytes: totals.return_bytes,
    flowsCreated: totals.flow_created,
    refused: totals.return_backend_refused,
    dropped: stageDrops(totals, "forward") + stageDrops(totals, "return"),
  });
}

/** Exactly the expected counters moved, by exactly these amounts; the sums hold. */
export function expectMoves(before: CountersReport, after: CountersReport, expected: Delta): void {
  const moved = counterDeltas(before.totals, after.totals);
  const nonZero = (delta: Delta): Delta =>
    Object.fromEntries(Object.entries(delta).filter(([, value]) => value !== 0)) as Delta;
  expect(nonZero(moved)).toEqual(nonZero(expected));
  expect(checkConservation(after.totals)).toEqual([]);
  expectBackendsToAgree(after);
}

/** Plays the row and compares every counter there is. */
export async function playRow(scene: Scene, { steps, moves }: Row): Promise<void> {
  const before = await settle(scene.proxy, () => true);
  const player = new Player(scene, before);
  try {
    for (const step of steps) await player.play(step);
    expectMoves(before, await player.settle(), { ...movesOfSteps(steps), ...moves });
    expect(await scene.network.client.take(0), "nothing else came back").toEqual([]);
  } finally {
    await player.close();
    await scene.network.client.take(0);
    await (scene.backends ?? scene.network.backend).take(0);
  }
}

/** How often each worker's counter moved. */
export function movesPerWorker(before: CountersReport, after: CountersReport, name: CounterName): number[] {
  return after.workers.map(({ counters }, worker) => counters[name] - before.workers[worker]!.counters[name]);
}
