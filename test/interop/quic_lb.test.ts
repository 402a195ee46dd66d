import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Child } from "../../proxy/lab/child.ts";
import type { LabProxy } from "../../proxy/lab/proxy_process.ts";
import type { QuicGoClientPlan, QuicGoPrograms, QuicGoReport } from "../../proxy/lab/quicgo.ts";
import type { CountersReport } from "../../proxy/metrics/report.ts";
import { faultsOf, flowsByServer, growthOf, type LabConfig, QuicLbScene, type Totals } from "./quic_lb_scene.ts";
import { buildQuicGo } from "./quicgo/build.ts";

/** Connections of each case with a change of address; QUICPROXY_C4=1000 for the large run. */
const connections = Number(process.env.QUICPROXY_C4 ?? 100);
const downloads = 60;
/** Twice what a server may send ahead, so that much is still to come after the change of address. */
const fileBytes = 1024 * 1024;
const afterOctets = 128 * 1024;
/** Against a hang only. */
const caseTimeoutMs = 180_000 + 1000 * connections;
const key = "8f95f09245765f80256934e50c66207f";

const CONFIGS: Record<string, LabConfig> = {
  "plain text": { rotation: 0, serverIdLength: 3, nonceLength: 8 },
  "a single pass": { rotation: 2, serverIdLength: 8, nonceLength: 8, key },
  "four passes": { rotation: 6, serverIdLength: 10, nonceLength: 5, key },
};

let programs: QuicGoPrograms;

beforeAll(() => {
  programs = buildQuicGo();
}, 600_000);

interface Outcome {
  report: QuicGoReport;
  growth: Totals;
  /** Flows that each server got. */
  flows: Record<string, number>;
}

describe.each(Object.keys(CONFIGS))("QUIC-LB in %s", (name) => {
  describe.each([1, 3])("with %i workers", (workers) => {
    const config = CONFIGS[name]!;
    let scene: QuicLbScene;
    let backends: ReturnType<QuicLbScene["backends"]>;
    let servers: Child[];
    let proxy: LabProxy;
    /** As they were after the case before. */
    let before: CountersReport;

    beforeAll(async () => {
      scene = new QuicLbScene(programs, 3, { "content.bin": fileBytes });
      backends = scene.backends(config.serverIdLength);
      servers = await Promise.all(backends.map((backend) => scene.startServer(backend, config)));
      proxy = await scene.startProxy({ configs: [config], backends, workers });
      before = await proxy.counters();
    });

    afterAll(() => scene?.remove());

    async function run(
      family: "v4" | "v6",
      plan: Partial<QuicGoClientPlan> & { connections: number },
    ): Promise<Outcome> {
      const report = await scene.runClient(family, plan);
      const after = await proxy.restingCounters();
      const outcome = { report, growth: growthOf(before, after), flows: flowGrowth(after) };
      before = after;
      return outcome;
    }

    function flowGrowth(after: CountersReport): Record<string, number> {
      const [old, present] = [flowsByServer(before, backends), flowsByServer(after, backends)];
      return Object.fromEntries(Object.entries(present).map(([server, flows]) => [server, flows - old[server]!]));
    }

    test.each(["v4", "v6"] as const)(`${downloads} downloads over IP%s: each by its server ID`, async (family) => {
      const { report, growth, flows } = await run(family, { connections: downloads });
      expect(faultsOf(report)).toEqual([]);
      expectOwnFlows(flows, report, 1);
      expectRoutedByServerId(growth, downloads);
    });

    test.each([
      ["v4", "rebind", "port"],
      ["v6", "rebind", "port"],
      ["v4", "rebind", "address"],
      ["v6", "rebind", "address"],
      ["v4", "migrate", "address"],
      ["v6", "migrate", "address"],
    ] as const)(
      `${connections} of ${connections} connections over IP%s survive: %s, another %s`,
      async (family, kind, what) => {
        const { own, alternate } = scene.topology.client;
        const locals = [own[family], (what === "port" ? own : alternate)[family]];
        const times = what === "port" ? 1 : 3;
        const change = { kind, afterOctets, times };
        const { report, growth, flows } = await run(family, { connections, change, locals });
        expect(faultsOf(report)).toEqual([]);
        const moved = report.connections.filter(
          ({ octets, paths }) => octets === fileBytes && paths.length === 1 + times,
        );
        expect(moved).toHaveLength(connections);
        expectOwnFlows(flows, report, 1 + times);
        expectRoutedByServerId(growth, connections);
      },
      caseTimeoutMs,
    );

    test("the servers are those that were started, and nothing was dropped", async () => {
      expect(servers.every((server) => server.running())).toBe(true);
      const { totals } = await proxy.restingCounters();
      const dropped = Object.entries(totals).filter(([counter, value]) => counter.includes("dropped") && value > 0);
      expect(dropped).toEqual([]);
    });
  });
});

function countServers({ connections: all }: QuicGoReport): Record<string, number> {
  const counts: Record<string, number> = { "backend-1": 0, "backend-2": 0, "backend-3": 0 };
  for (const { server } of all) counts[server!]!++;
  return counts;
}

/**
 * A connection makes one flow for each of its addresses, all to the server whose ID it carries: a server with more had a
 * connection that was not its own. Fewer are possible: a client may come from the address and port of an earlier one.
 */
function expectOwnFlows(flows: Record<string, number>, report: QuicGoReport, perConnection: number): void {
  for (const [server, count] of Object.entries(countServers(report))) {
    expect(flows[server]).toBeGreaterThan(0);
    expect(flows[server]).toBeLessThanOrEqual(perConnection * count);
  }
}

/**
 * Only the first flight of a client, whose Connection ID no server has chosen, goes another way: its first datagram by
 * fallback, or by the address and port that it shares with an earlier client; the others by their source Connection ID.
 * Short headers have no such ID, so with no other hit of the tables that are left, every one of them went by server ID.
 */
function expectRoutedByServerId(growth: Totals, count: number): void {
  const { route_fallback, route_dcid, route_four_tuple, route_four_tuple_scid, route_quic_lb } = growth;
  expect({ first: route_fallback + route_four_tuple, route_dcid }).toEqual({ first: count, route_dcid: 0 });
  expect(route_quic_lb).toBeGreaterThanOrEqual(growth.parse_short_header);
  expect(route_quic_lb + route_four_tuple_scid + count).toBe(growth.receive_datagrams);
}
