import { afterAll, beforeAll, expect, test } from "vitest";
import { checkConservation } from "../../proxy/counters/conservation.ts";
import { settle } from "./counter_rows.ts";
import { inside } from "./inside.ts";
import { Network } from "./network.ts";
import { longHeader, octets } from "./packets.ts";
import { manifest, type ProxyProcess } from "./proxy.ts";
import { sendRaw } from "./raw_udp.ts";

/*
 * S1, C11: a flood of first datagrams from ever other ports while every backend is down. The proxy passes on what it was
 * sent and makes nothing of its own: no reply, no reset, no ICMP.
 */

const DATAGRAMS_PER_FAMILY = 10_000;
const FIRST_PORT = 10_000;
const SETTLE_LIMIT_MS = 60_000;

let network: Network;
let proxy: ProxyProcess;

beforeAll(async () => {
  network = new Network();
  const backends = ([4, 6] as const).map((family) => network.service({ family }));
  const dataPlane = { workers: { max: 2 } };
  proxy = await network.host.start(network.host.place(manifest({ backends, dataPlane })));
});
afterAll(() => network?.remove());

/** Address resolution, which is the kernel's. */
const NEIGHBOUR_DISCOVERY_MAX = 30;

interface Sent {
  /** Packets by device. */
  towardClients: number;
  towardBackends: number;
  /** What could answer a datagram: neighbour discovery is ICMPv6, too. */
  icmp: number;
}

function sentByEdge(): Sent {
  const devices = ["clients", "backends"].map((device) => `/sys/class/net/${device}/statistics/tx_packets`);
  const files = ["/proc/net/snmp", "/proc/net/snmp6", ...devices];
  const lines = inside(network.topology.edge.namespace, ["cat", ...files])
    .trimEnd()
    .split("\n");
  const v4 = (protocol: string, name: string): number => {
    const [names, values] = lines.filter((line) => line.startsWith(`${protocol}: `)).map((line) => line.split(" "));
    return Number(values![names!.indexOf(name)]);
  };
  const v6 = (name: string): number => Number(lines.find((line) => line.startsWith(`${name} `))!.split(/\s+/)[1]);
  const [towardClients, towardBackends] = lines.slice(-2).map(Number) as [number, number];
  const icmp =
    v4("Icmp", "OutMsgs") + v6("Icmp6OutDestUnreachs") + v6("Icmp6OutTimeExcds") + v6("Icmp6OutParmProblems");
  return { towardClients, towardBackends, icmp };
}

function flood(family: 4 | 6): void {
  const payload = longHeader({ dcid: octets(8, "flood"), scid: octets(8, "flooder") });
  const ports = [`${FIRST_PORT}-${FIRST_PORT + DATAGRAMS_PER_FAMILY - 1}`];
  sendRaw(network.topology, { family, payload, ports });
}

test("S1, C11: 20,000 spoofed first datagrams before dead backends bring forth nothing, and each is counted", async () => {
  const kernelBefore = sentByEdge();
  const before = await proxy.counters();
  flood(4);
  flood(6);
  const count = 2 * DATAGRAMS_PER_FAMILY;
  const received = async (): Promise<number> =>
    (await proxy.counters()).totals.receive_datagrams - before.totals.receive_datagrams;
  await expect.poll(received, { timeout: SETTLE_LIMIT_MS }).toBe(count);
  const after = await settle(proxy, () => true);
  expect(checkConservation(after.totals)).toEqual([]);
  expect({ returned: after.totals.return_sent, live: after.totals.return_received }).toEqual({ returned: 0, live: 0 });
  const kernel = sentByEdge();
  expect(kernel.icmp - kernelBefore.icmp).toBe(0);
  expect(kernel.towardClients - kernelBefore.towardClients).toBeLessThanOrEqual(NEIGHBOUR_DISCOVERY_MAX);
  const passedOn = after.totals.forward_sent - before.totals.forward_sent;
  expect(kernel.towardBackends - kernelBefore.towardBackends).toBeLessThanOrEqual(passedOn + NEIGHBOUR_DISCOVERY_MAX);
  expect(after.totals.forward_sent).toBeLessThanOrEqual(count);
  // Every flow that was made is there, ended or gave way; the gauge follows within a tick.
  const unaccounted = async (): Promise<number> => {
    const { totals, workers } = await proxy.counters();
    const live = workers.reduce((sum, { gauges }) => sum + gauges.flows, 0);
    return totals.flow_created - totals.flow_evicted - totals.flow_expired - live;
  };
  await expect.poll(unaccounted, { timeout: SETTLE_LIMIT_MS }).toBe(0);
});
