import { afterAll, beforeAll, expect, test } from "vitest";
import { playBurst } from "./burst.ts";
import { expectMoves, settle } from "./counter_rows.ts";
import { describeProxy, type Suite } from "./counter_suite.ts";
import { inside } from "./inside.ts";
import { Network } from "./network.ts";
import { shortOf } from "./packets.ts";
import { LISTEN_PORT, type ManifestOptions } from "./proxy.ts";

/* What is forwarded for nobody: from ports and hosts that are no client's, to many at once, at the end of its hops. */

/** Of the backend. */
let backendSocket: number;

let network: Network;

beforeAll(async () => {
  network = new Network();
  backendSocket = await network.openService();
});

afterAll(() => network.remove());

const suite = (name: string, options: () => ManifestOptions): Suite => ({ name, network: () => network, options });
const oneWorker = { workers: { max: 1 } };

describeProxy(
  suite("any source port", () => ({ backends: [network.service()], dataPlane: oneWorker })),
  (scene) => {
    test.each([4, 6] as const)("IPv%i: source port 0 is refused, 1 and 65535 are not", async (family) => {
      await playBurst(scene(), {
        family,
        payload: shortOf(`port ${family}`),
        ports: ["0", "1", "0", "65535"],
        count: 4,
        forwarded: 2,
        moves: { route_fallback: 2, route_dropped_source: 2, flow_created: 2 },
      });
    });
  },
);

describeProxy(
  suite("sources that are no clients", () => ({ backends: [network.service()], dataPlane: oneWorker })),
  (scene) => {
    test.each([4, 6] as const)("IPv%i: ports that attackers reflect from begin no flow", async (family) => {
      await playBurst(scene(), {
        family,
        payload: shortOf(`reflected ${family}`),
        ports: ["53", "123", "11211", "54"],
        count: 4,
        forwarded: 1,
        moves: { route_fallback: 1, route_dropped_source: 3, flow_created: 1 },
      });
    });

    test("a backend's own port begins no flow, another port of the same host does", async () => {
      const { proxy } = scene();
      const { v4 } = network.topology.backends[0]!;
      const to = { address: network.topology.edge.towardBackends.v4, port: LISTEN_PORT };
      const payload = shortOf("a backend asks");
      const other = await network.backend.open({ family: 4, address: v4 });
      const before = await settle(proxy, () => true);
      await network.backend.send({ socket: backendSocket, payload, ...to });
      await network.backend.send({ socket: other.id, payload, ...to });
      expect(await network.backend.take(1)).toHaveLength(1);
      const enough = before.totals.receive_datagrams + 2;
      const { totals } = await settle(proxy, (now) => now.totals.receive_datagrams === enough);
      expect(totals.route_dropped_source - before.totals.route_dropped_source).toBe(1);
      expect(totals.forward_sent - before.totals.forward_sent).toBe(1);
      await network.backend.close(other.id);
    });
  },
);

/** Sends one datagram to an address that many have, out of the client's device. */
function sendToMany(address: string): void {
  const { namespace, device } = network.topology.client;
  const program = [
    "import socket as S, sys",
    "f = S.AF_INET6 if ':' in sys.argv[1] else S.AF_INET",
    "s = S.socket(f, S.SOCK_DGRAM)",
    "s.setsockopt(S.SOL_SOCKET, S.SO_BROADCAST, 1)",
    "s.setsockopt(S.SOL_SOCKET, S.SO_BINDTODEVICE, sys.argv[2].encode())",
    "s.setsockopt(S.IPPROTO_IPV6, S.IPV6_MULTICAST_HOPS, 9) if f == S.AF_INET6 else s.setsockopt(0, S.IP_MULTICAST_TTL, 9)",
    `s.sendto(b"@" * 30, (sys.argv[1], ${LISTEN_PORT}))`,
  ].join("\n");
  inside(namespace, ["/usr/bin/python3", "-c", program, address, device]);
}

for (const mode of ["RunToCompletion", "Decoupled"] as const) {
  describeProxy(
    suite(`${mode}, two workers`, () => ({
      backends: [network.service()],
      dataPlane: { mode, workers: { min: 2, max: 2 } },
    })),
    (scene) => {
      test.each([
        ["10.79.1.255", "the network's broadcast address"],
        ["255.255.255.255", "the broadcast address"],
        ["224.0.0.1", "a multicast group"],
        ["ff02::1", "a multicast group"],
      ])("a datagram to %s, %s, is forwarded by no worker", async (address) => {
        const { proxy } = scene();
        const before = await settle(proxy, () => true);
        sendToMany(address);
        // Each worker gets a copy.
        const enough = before.totals.receive_datagrams + 2;
        const after = await settle(proxy, ({ totals }) => totals.receive_datagrams === enough);
        expectMoves(before, after, {
          receive_datagrams: 2,
          receive_bytes: 60,
          receive_batches: 2,
          parse_short_header: 2,
          route_dropped_not_unicast: 2,
          steer_unknown: after.totals.steer_unknown - before.totals.steer_unknown,
        });
      });
    },
  );
}

describeProxy(
  suite("hop limits", () => ({ backends: [network.service()], dataPlane: oneWorker })),
  (scene) => {
    test.each([
      4, 6,
    ] as const)("IPv%i: a hop limit of 1 ends here, as at a router; 2 reaches the backend", async (family) => {
      const burst = { family, payload: shortOf(`hops ${family}`), count: 2 } as const;
      const ended = { ...burst, hopLimit: 1, ports: ["9001-9002"], forwarded: 0 };
      await playBurst(scene(), { ...ended, moves: { route_dropped_hop_limit: 2 } });
      const passes = { ...burst, hopLimit: 2, ports: ["9003-9004"], forwarded: 2 };
      await playBurst(scene(), { ...passes, moves: { route_fallback: 2, flow_created: 2 } });
      expect(await network.backend.take(2)).toHaveLength(2);
    });
  },
);
