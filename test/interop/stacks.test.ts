import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runBounded } from "../../proxy/lab/bounded.ts";
import { contentDirectory } from "../../proxy/lab/content.ts";
import type { MappingPlan } from "../../proxy/lab/nat.ts";
import { changedDuringTransfer, startNat } from "../../proxy/lab/nat_process.ts";
import { type DownloadResult, type DownloadTarget, download } from "../../proxy/lab/peers.ts";
import { createScene, expectServed, type FleetName, fleets, type Scene, stacks } from "./stacks_scene.ts";

/** Connections per case, IPv4 and IPv6 in turn. */
const connections = 4;
const concurrency = 4;
const families = ["v4", "v6"] as const;
const familyOf = (index: number): "v4" | "v6" => families[index % 2]!;

type StackName = keyof typeof stacks;
const stackNames = Object.keys(stacks) as StackName[];

let scene: Scene;
beforeAll(async () => {
  scene = await createScene();
});
afterAll(() => scene?.remove());

let serial = 0;
function downloadAll(stack: StackName, targets: readonly DownloadTarget[]): Promise<DownloadResult[]> {
  const { topology, content } = scene;
  const common = { stack: stacks[stack], namespace: topology.client.namespace, directory: topology.directory, content };
  return runBounded(targets, concurrency, (target) =>
    download({ ...common, name: `${stack}-${serial++}-${target.address}`, target }),
  );
}

const numbers = Array.from({ length: connections }, (_, index) => index);
const listenerOf = (fleet: FleetName, family: "v4" | "v6"): { address: string; port: number } => ({
  address: scene.topology.edge.towardClients[family],
  port: scene.fleets[fleet].port,
});

describe.each(stackNames)("client %s", (stack) => {
  test.each(fleets)("downloads from %s over IPv4 and IPv6", async (fleet) => {
    const { proxy } = scene.fleets[fleet];
    const expectRetry = fleet.endsWith("Retry") && stack === "aioquic";
    const clientOptions = expectRetry ? ["--expect-retry"] : [];
    const before = await proxy.restingCounters();
    const targets = numbers.map((index) => ({ ...listenerOf(fleet, familyOf(index)), clientOptions }));
    const downloads = await downloadAll(stack, targets);
    expectServed(scene, [before, await proxy.restingCounters()], { downloads, changes: 0 });
  });
});

const rebindingFleets = fleets.filter((name) => !name.endsWith("Retry"));
/** Below the kernel's ephemeral range, so that no other client comes from the same address and port. */
let nextPort = 20_001;
/** Every second pair of clients changes its address as well, the others their port alone. */
const changesAddress = (index: number): boolean => index % 4 >= 2;

/** Datagrams of a client before the NAT changes its mapping. */
const rebindAfter = 40;

test.each(rebindingFleets)("client ngtcp2 behind a NAT that rebinds keeps its server of %s", async (fleet) => {
  const { proxy } = scene.fleets[fleet];
  const { own, alternate } = scene.topology.client;
  const plans = numbers.map((index): MappingPlan => {
    const family = familyOf(index);
    const next = changesAddress(index) ? alternate : own;
    return {
      inner: { address: family === "v4" ? "127.0.0.1" : "::1", port: 7001 + index },
      remote: listenerOf(fleet, family),
      outer: [
        { address: own[family], port: nextPort++ },
        { address: next[family], port: nextPort++ },
      ],
      rebindAfter,
    };
  });
  const before = await proxy.restingCounters();
  const { topology, content } = scene;
  // Uploads, too: a client that only receives may have but one acknowledgement to send by its new path. aioquic 1.2 sends
  // nothing where three times what came (RFC 9000 section 9.3) is less than 128 octets, nobody repeats an
  // acknowledgement, and both sides wait for the other until the connection is idle.
  const clientOptions = [`--data=${join(contentDirectory(topology.directory), content.name)}`];
  const nat = await startNat(topology, plans);
  const downloads = await downloadAll(
    "ngtcp2",
    plans.map(({ inner }) => ({ ...inner, clientOptions })),
  );
  const mappings = await nat.stop();
  expect(mappings.filter((mapping) => !changedDuringTransfer(mapping))).toEqual([]);
  expectServed(scene, [before, await proxy.restingCounters()], { downloads, changes: connections });
});

test.each(rebindingFleets)("client aioquic that swaps its socket keeps its server of %s", async (fleet) => {
  await swapSockets(fleet, []);
});

test.each(
  rebindingFleets,
)("client aioquic that changes its ID, then its socket, keeps its server of %s", async (fleet) => {
  await swapSockets(fleet, ["--change-id"]);
});

async function swapSockets(fleet: FleetName, more: readonly string[]): Promise<void> {
  const { proxy } = scene.fleets[fleet];
  const { own, alternate } = scene.topology.client;
  const targets = numbers.map((index): DownloadTarget => {
    const family = familyOf(index);
    const next = (changesAddress(index) ? alternate : own)[family];
    const rebindAddress = family === "v4" ? `::ffff:${next}` : next;
    const local = ["--local-port", String(nextPort++)];
    const rebind = ["--rebind-after", "100000", "--rebind-address", rebindAddress, "--rebind-port", String(nextPort++)];
    return { ...listenerOf(fleet, family), clientOptions: [...local, ...rebind, ...more] };
  });
  const before = await proxy.restingCounters();
  const downloads = await downloadAll("aioquic", targets);
  expectServed(scene, [before, await proxy.restingCounters()], { downloads, changes: connections });
}
