import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { QuicGoClientPlan, QuicGoConnection } from "../../proxy/lab/quicgo.ts";
import type { CountersReport } from "../../proxy/metrics/report.ts";
import { growthOf, type Totals } from "./quic_lb_scene.ts";
import { buildQuicGo } from "./quicgo/build.ts";
import { createQuicGoLab, faultsOf, type IdLayout, type QuicGoLab } from "./quicgo/lab.ts";

/*
 * docs/adr/0013, with real clients, one after the other, so that what each worker received is of one connection alone.
 */

const clients = 8;
const changes = 3;
const workers = 3;
const fileBytes = 512 * 1024;
const afterOctets = 64 * 1024;
const routable: IdLayout = {
  rotation: 2,
  serverIdLength: 8,
  nonceLength: 8,
  key: "8f95f09245765f80256934e50c66207f",
};

const programs = buildQuicGo();

interface Journey {
  connection: QuicGoConnection;
  /** Datagrams that each worker received of it. */
  byWorker: number[];
  growth: Totals;
}

type Kind = NonNullable<QuicGoClientPlan["change"]>["kind"];

class Road {
  readonly lab: QuicGoLab;
  #before: CountersReport;
  /** Addresses and ports that a client was at. One that comes back is kept on the worker of whoever was there before. */
  readonly #used = new Set<string>();

  constructor(lab: QuicGoLab, before: CountersReport) {
    this.lab = lab;
    this.#before = before;
  }

  /** Empty when it steers. */
  whyNotSteered(): string {
    const { steering, steeringReason } = this.#before.status;
    return steering === "ConnectionId" ? "" : `steering is ${steering}: ${steeringReason}`;
  }

  /** All clients, but those that came from where another had been. */
  async travelAll(kind: Kind): Promise<Journey[]> {
    const journeys: Journey[] = [];
    for (let client = 0; client < clients; client++) {
      const journey = await this.#travel(client % 2 === 0 ? "v4" : "v6", kind);
      const places = journey.connection.paths.map(({ local }) => local);
      if (!places.some((place) => this.#used.has(place))) journeys.push(journey);
      for (const place of places) this.#used.add(place);
    }
    expect(journeys.length).toBeGreaterThan(clients / 2);
    return journeys;
  }

  async #travel(family: "v4" | "v6", kind: Kind): Promise<Journey> {
    const before = this.#before;
    const { own, alternate } = this.lab.topology.client;
    const plan = { connections: 1, parallel: 1, locals: [own[family], alternate[family]], timeoutMs: 60_000 };
    const report = await this.lab.run(family, { ...plan, change: { kind, afterOctets, times: changes } });
    expect(faultsOf(report)).toEqual([]);
    const connection = report.connections[0]!;
    expect(connection.paths).toHaveLength(1 + changes);
    const sent = connection.paths.reduce((sum, path) => sum + path.sent, 0);
    const after = await this.#countersAfter(sent);
    this.#before = after;
    const byWorker = after.workers.map(
      ({ counters }, worker) => counters.receive_datagrams - before.workers[worker]!.counters.receive_datagrams,
    );
    return { connection, byWorker, growth: growthOf(before, after) };
  }

  /** Once all datagrams that a client sent are counted; what it sent as it changed its socket may not have left. */
  async #countersAfter(sent: number): Promise<CountersReport> {
    const deadline = Date.now() + 3_000;
    for (;;) {
      const now = await this.lab.proxy.restingCounters();
      if (growthOf(this.#before, now).receive_datagrams >= sent || Date.now() > deadline) return now;
    }
  }
}

describe.each([
  { servers: "plain", ids: undefined, changed: "rebind", promise: "a connection stays on its worker" },
  { servers: "QUIC-LB", ids: routable, changed: "migrate", promise: "a path stays on the worker that it came to" },
] as const)("clients of $servers servers that $changed, before 3 workers", ({ ids, changed, promise }) => {
  let road: Road;

  beforeAll(async () => {
    const lab = await createQuicGoLab({ programs, workers, fileBytes, ...(ids ? { ids } : {}) });
    road = new Road(lab, await lab.proxy.counters());
  }, 600_000);
  afterAll(() => road?.lab.remove());

  test(`steering: ${promise}`, async ({ skip }) => {
    skip(road.whyNotSteered() !== "", road.whyNotSteered());
    const journeys = await road.travelAll(changed);
    for (const journey of journeys) (ids ? expectWholePaths : expectOneWorker)(journey);
    // Read from the kernel five times a second: those of the last client may come later.
    const steered = ids ? "steer_path" : "steer_connection_id";
    expect(journeys.reduce((sum, { growth }) => sum + growth[steered], 0)).toBeGreaterThanOrEqual(changes);
  });
});

/** By the hash alone each change leads to this worker in one of 3 cases: 5 clients with 3 changes, one in 14 million. */
function expectOneWorker({ byWorker, growth }: Journey): void {
  expect(byWorker.filter((count) => count > 0)).toEqual([growth.receive_datagrams]);
  expect(growth.cid_found_elsewhere).toBe(0);
}

/** With a fresh ID any worker may get the new path; it keeps it, whoever learned the ID that comes next. */
function expectWholePaths({ connection, byWorker, growth }: Journey): void {
  const paths = connection.paths.map(({ sent }) => sent);
  expect(growth.receive_datagrams).toBeGreaterThanOrEqual(paths.reduce((sum, sent) => sum + sent, 0) - changes);
  const whole = sumsOf(paths).filter((sums) => sums.every((sum, worker) => byWorker[worker]! <= sum));
  expect(whole, `${byWorker} of paths of ${paths}`).not.toEqual([]);
}

/** What the workers may have received when each path went to one of them as a whole. */
function sumsOf(paths: readonly number[]): number[][] {
  let sums = [Array.from({ length: workers }, () => 0)];
  for (const sent of paths) {
    sums = sums.flatMap((sum) =>
      sum.map((_, at) => sum.map((count, worker) => (worker === at ? count + sent : count))),
    );
  }
  return sums;
}
