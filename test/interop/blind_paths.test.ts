import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createCertificate, createContent } from "../../proxy/lab/content.ts";
import { removeLab } from "../../proxy/lab/namespace.ts";
import { backendPort, ngtcp2 } from "../../proxy/lab/peers.ts";
import { type LabProxy, startProxyProcess } from "../../proxy/lab/proxy_process.ts";
import { startQuicGoServer } from "../../proxy/lab/quicgo.ts";
import { type BackendPlace, createTopology, type Topology } from "../../proxy/lab/topology.ts";
import { Peer } from "../net/peer.ts";
import { Forger } from "./aioquic/forger.ts";
import { aioquic } from "./aioquic/stack.ts";
import { buildQuicGo } from "./quicgo/build.ts";

/*
 * What reaches a victim when somebody with a connection of his own writes the victim's address into valid datagrams. The
 * proxy takes the second for a sign of somebody who receives; what is then sent is the server's to bound, by three times
 * what came (RFC 9000 section 9.3).
 */

const file = "content.bin";
const servers = ["aioquic", "ngtcp2", "quic-go"] as const;
/** What a moved path gets beside three times what came from it: native/route/path_proof.h. */
const allowance = 3 * 1200;

let topology: Topology;
let victim: Peer;
let forger: Forger | undefined;

beforeAll(async () => {
  const programs = buildQuicGo();
  // So that servers can be attacked without a proxy, too.
  topology = createTopology({ routed: true });
  const { directory, backends } = topology;
  const certificate = createCertificate(directory);
  createContent(
    directory,
    backends.map(({ name }) => name),
    { [file]: 8 * 1024 * 1024 },
  );
  const plans = backends.map((place) => ({ place, directory, certificate, validateAddress: false }));
  await Promise.all([
    aioquic.startServer(plans[0]!),
    ngtcp2.startServer(plans[1]!),
    startQuicGoServer({ ...plans[2]!, programs }),
  ]);
  await Promise.all(backends.map(startProxy));
  victim = new Peer(topology.client.namespace);
}, 900_000);
afterEach(async () => {
  await forger?.stop();
  forger = undefined;
});
afterAll(async () => {
  await victim?.stop();
  if (topology) removeLab(topology.name);
});

const listenerOf = (index: number): number => 443 + index;

function startProxy({ v4, name }: BackendPlace, index: number): Promise<LabProxy> {
  const manifest = join(topology.directory, `${name}.yaml`);
  const spec = {
    listeners: [{ port: listenerOf(index) }],
    backends: { static: [{ address: v4, port: backendPort }] },
    dataPlane: { workers: { min: 1, max: 1 } },
  };
  writeFileSync(
    manifest,
    JSON.stringify({ apiVersion: "quicproxy.io/v1alpha1", kind: "QuicProxy", metadata: { name }, spec }),
  );
  return startProxyProcess(topology, manifest, 9464 + index);
}

const throughProxy = (index: number) => ({ address: topology.edge.towardClients.v4, port: listenerOf(index) });
const straight = (index: number) => ({ address: topology.backends[index]!.v4, port: backendPort });

interface Attack {
  count: number;
  seconds: number;
  /** PATH_CHALLENGE frames, of which servers answer each. */
  challenge?: boolean;
}

/** Octets that the attacker sent, and those that came to the victim. */
async function attack(
  target: { address: string; port: number },
  { challenge = false, ...attack }: Attack,
): Promise<{ sent: number; arrived: number }> {
  const { namespace, alternate } = topology.client;
  forger = await Forger.start(namespace, target, 1);
  const { id, port } = await victim.open({ family: 4, address: alternate.v4 });
  const from = { connection: 0, address: alternate.v4, port };
  // The first asks for more than any bound lets through.
  const sent = await forger.forge({ ...attack, ...from, path: `/${file}`, challenge });
  let arrived = 0;
  for (let quiet = 0; quiet < 8; quiet++) {
    await sleep(250);
    for (const { socket, payload } of await victim.take(0)) {
      if (socket === id) arrived += payload.length;
      quiet = 0;
    }
  }
  await victim.close(id);
  await forger.stop();
  return { sent, arrived };
}

describe.each(servers.map((name, index) => [name, index] as const))("a server of %s", (name, index) => {
  test.each([
    [1, 0],
    [2, 1],
    [30, 1],
  ])("blind_datagrams: %i from a victim's address bring it three times as much and 3,600 octets at most", async (count, seconds) => {
    const { sent, arrived } = await attack(throughProxy(index), { count, seconds });
    console.log(`${name}: ${count} datagrams of ${sent} octets in all brought ${arrived}`);
    expect(arrived).toBeGreaterThan(sent);
    expect(arrived).toBeLessThanOrEqual(3 * sent + allowance);
  });

  test("blind_challenges: a PATH_CHALLENGE in each brings no more than without the proxy", async () => {
    const twenty = { count: 20, seconds: 1, challenge: true };
    const own = await attack(straight(index), twenty);
    const { sent, arrived } = await attack(throughProxy(index), twenty);
    console.log(`${name}: 20 challenges of ${sent} octets in all brought ${arrived}, without the proxy ${own.arrived}`);
    // Their numbers, as long as they need to be, differ by a few octets from one connection to the next.
    expect(arrived / sent).toBeLessThanOrEqual((own.arrived + allowance) / own.sent);
  });
});
