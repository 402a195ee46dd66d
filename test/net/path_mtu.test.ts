import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createNamespace, ipInside, linkNamespaces } from "../../proxy/lab/namespace.ts";
import { movesPerWorker, settle } from "./counter_rows.ts";
import { inside } from "./inside.ts";
import { addressOf, Network } from "./network.ts";
import { octets, shortHeader } from "./packets.ts";
import { Peer, type Received } from "./peer.ts";
import { BACKEND_PORT, manifest, type ProxyProcess } from "./proxy.ts";

/*
 * C9: client <-> edge <-> router <-> backend, where only the router knows that the last link is narrower. QUIC finds out
 * with datagrams that may be lost (RFC 9000 section 14); what the proxy owes is to make no fragments and to count.
 */

const NARROW_MTU = 1280;
const FLOWS = 6;
/** Until both backends, of IPv4 and of IPv6, have had one. */
const MOST_FLOWS = 40;
const far = { v4: "10.79.3.2", v6: "fd79:3::2" };
const near = { v4: "10.79.3.1", v6: "fd79:3::1" };

let network: Network;
let backend: Peer;
let backendNamespace: string;
const sockets = {} as Record<4 | 6, number>;

beforeAll(async () => {
  network = new Network();
  const { name, edge, backends } = network.topology;
  const router = backends[0]!;
  backendNamespace = `${name}-far`;
  createNamespace(backendNamespace);
  linkNamespaces(
    { namespace: backendNamespace, device: "access", addresses: [`${far.v4}/24`, `${far.v6}/64`] },
    { namespace: router.namespace, device: "narrow", addresses: [`${near.v4}/24`, `${near.v6}/64`] },
  );
  ipInside(backendNamespace, [
    `link set access mtu ${NARROW_MTU}`,
    `route add default via ${near.v4}`,
    `route add default via ${near.v6}`,
  ]);
  ipInside(router.namespace, [`link set narrow mtu ${NARROW_MTU}`]);
  for (const setting of ["ipv4/ip_forward", "ipv6/conf/all/forwarding"]) {
    inside(router.namespace, ["sh", "-c", `echo 1 >/proc/sys/net/${setting}`]);
  }
  ipInside(edge.namespace, [`route add 10.79.3.0/24 via ${router.v4}`, `route add fd79:3::/64 via ${router.v6}`]);
  backend = new Peer(backendNamespace);
  for (const family of [4, 6] as const) {
    sockets[family] = (await backend.open({ family, address: addressOf(far, family), port: BACKEND_PORT })).id;
  }
});

afterAll(async () => {
  await backend?.stop();
  await network?.remove();
});

/** Fragments made on the edge and on the router, and those that the backend received. */
function fragments(): number {
  const { edge, backends } = network.topology;
  const counts = [edge.namespace, backends[0]!.namespace, backendNamespace].flatMap((namespace) => {
    const [names, values] = inside(namespace, ["grep", "^Ip:", "/proc/net/snmp"])
      .split("\n")
      .map((line) => line.split(" "));
    const v4 = ["FragCreates", "ReasmReqds"].map((name) => Number(values![names!.indexOf(name)]));
    const v6 = inside(namespace, ["grep", "-E", "^Ip6(FragCreates|ReasmReqds)", "/proc/net/snmp6"]);
    return [...v4, ...[...v6.matchAll(/\s(\d+)\n/g)].map(([, count]) => Number(count))];
  });
  expect(counts).toHaveLength(12);
  return counts.reduce((sum, count) => sum + count, 0);
}

describe.each(["Auto", "Sockets"] as const)("upstream level %s", (upstreamLevel) => {
  let proxy: ProxyProcess;

  beforeAll(async () => {
    const backends = [
      { address: far.v4, port: BACKEND_PORT, weight: 1 },
      { address: far.v6, port: BACKEND_PORT, weight: 1 },
    ];
    const text = manifest({ backends, dataPlane: { workers: { min: 2, max: 2 }, upstreamLevel } });
    proxy = await network.host.start(network.host.place(text));
  });
  afterAll(() => network.host.clear());

  /** One flow: what fits arrives and is answered, what the router has no room for is counted, and then what fits again. */
  async function expectNarrowFlow(seed: string): Promise<4 | 6> {
    const socket = await network.openClient();
    const of = (payloadBytes: number): Buffer => shortHeader(octets(8, seed), { payloadBytes: payloadBytes - 9 });
    const pass = async (payload: Buffer): Promise<Received> => {
      await network.send(socket, payload);
      const [seen] = await backend.take(1);
      expect(seen?.payload.equals(payload)).toBe(true);
      await backend.send({ socket: seen!.socket, payload, address: seen!.address, port: seen!.port });
      expect((await network.client.take(1))[0]?.payload.equals(payload)).toBe(true);
      return seen!;
    };
    const start = await proxy.counters();
    const { socket: seenBy } = await pass(of(1200));
    const before = await settle(proxy, ({ totals }) => totals.return_sent > start.totals.return_sent);
    const worker = movesPerWorker(start, before, "receive_datagrams").indexOf(1);
    await network.send(socket, of(1400));
    const told = before.totals.return_path_too_big + 1;
    const after = await settle(proxy, ({ totals }) => totals.return_path_too_big === told);
    const grown = (["forward_sent", "return_path_too_big", "return_backend_refused"] as const).map((name) =>
      movesPerWorker(before, after, name),
    );
    const once = [0, 1].map((index) => (index === worker ? 1 : 0));
    expect(grown).toEqual([once, once, [0, 0]]);
    await pass(of(1200));
    await network.client.close(socket);
    return seenBy === sockets[4] ? 4 : 6;
  }

  test("a datagram too big for a router on the way is counted on its flow's worker, once, and never in fragments", async () => {
    const before = fragments();
    const families = new Set<4 | 6>();
    for (let flow = 0; flow < FLOWS || (families.size < 2 && flow < MOST_FLOWS); flow++) {
      families.add(await expectNarrowFlow(`narrow ${upstreamLevel} ${flow}`));
    }
    const { totals, status } = await proxy.counters();
    expect(status.upstreamLevel).toBe(upstreamLevel === "Auto" ? "RawSend" : "ConnectedSocketPool");
    expect(families.size).toBe(2);
    expect(totals.forward_dropped_too_big).toBe(0);
    expect(fragments()).toBe(before);
  });
});
