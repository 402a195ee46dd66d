import { afterEach, expect, test } from "vitest";
import { logEnd } from "../../proxy/lab/child.ts";
import { startProxyProcess } from "../../proxy/lab/proxy_process.ts";
import { growthOf } from "./quic_lb_scene.ts";
import { buildQuicGo } from "./quicgo/build.ts";
import { createQuicGoLab, faultsOf, type QuicGoLab } from "./quicgo/lab.ts";

/* Plain servers: what a client has used since the proxy was started again leads to his server. */

const connections = 12;
const fileBytes = 8 * 1024 * 1024;
const timeoutMs = 120_000;
/** Of quic-go's servers. */
const idLength = 4;

const programs = buildQuicGo();
let lab: QuicGoLab | undefined;
afterEach(() => {
  lab?.remove();
  lab = undefined;
});

test("with routing.connectionIdLength clients move after a restart of the proxy and keep their servers", async () => {
  lab = await createQuicGoLab({ programs, fileBytes, routing: { connectionIdLength: idLength } });
  const { topology, manifestFile } = lab;
  const { own, alternate } = topology.client;
  const change = { kind: "rebind", afterOctets: (fileBytes * 7) / 8 } as const;
  const held = await lab.hold("v4", { connections, timeoutMs, change, locals: [own.v4, alternate.v4] });
  await lab.proxy.stop();
  const proxy = await startProxyProcess(topology, manifestFile);
  const before = await proxy.counters();
  // The proxy has seen nobody's handshake; each has used his ID once something was answered to him.
  const claimed = async (): Promise<number> => (await proxy.counters()).totals.cid_claimed;
  await expect.poll(claimed, { timeout: timeoutMs }).toBeGreaterThanOrEqual(connections);
  const report = await held.finish();
  expect(faultsOf(report), logEnd(proxy.child.logFile)).toEqual([]);
  expect(report.connections.filter(({ paths }) => paths.length === 2)).toHaveLength(connections);
  const servers = new Set(report.connections.map(({ server }) => server));
  expect(servers.size, "not all on one server by chance").toBeGreaterThan(1);
  const { flow_readdressed, cid_learned } = growthOf(before, await proxy.restingCounters());
  expect({ flow_readdressed, cid_learned }).toEqual({ flow_readdressed: connections, cid_learned: 0 });
});
