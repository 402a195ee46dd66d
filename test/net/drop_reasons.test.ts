import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { dropsBySocket, sumOf } from "../../host/path/reasons.ts";
import type { WitnessedCause } from "../../host/path/witnessed_causes.ts";
import { ipInside } from "../../proxy/lab/namespace.ts";
import { ADDRESSES, DropScene, PORT, type Window } from "./drop_scene.ts";

/* The kernel's own drop reasons beside its counters: every fault is real, and both witnesses count it. */

const COUNT = 500;

const directory = mkdtempSync(join(tmpdir(), "drop-hooks-"));
const hooks = join(directory, "drop_hooks.o");

let scene: DropScene;
beforeAll(() => {
  const headers = `/usr/include/${execFileSync("c++", ["-print-multiarch"], { encoding: "utf8" }).trim()}`;
  const source = join(import.meta.dirname, "drop_hooks.bpf.c");
  execFileSync("clang-19", ["-target", "bpf", "-O2", "-I", headers, "-c", source, "-o", hooks]);
  scene = new DropScene();
});
afterEach(() => scene.closeListeners());
afterAll(async () => {
  await scene?.remove();
  rmSync(directory, { recursive: true });
});

const ipInSender = (line: string): void => ipInside(scene.sender, [line]);

function agreement({ agreements }: Window, cause: WitnessedCause) {
  const found = agreements.find((each) => each.cause === cause);
  expect(found, JSON.stringify(agreements)).toBeDefined();
  return found!;
}

function expectEqual(window: Window, cause: WitnessedCause, reason: string) {
  const found = agreement(window, cause);
  expect(found).toMatchObject({ kind: "equal", isConfirmed: true, reasons: [reason] });
  expect(found.skbs).toBe(found.counted);
  expect(window.witness).toMatchObject({ level: "reasons", refusals: [], lost: 0, unreadable: 0, missed: 0 });
  return found;
}

test.each([
  ["IPv4", ADDRESSES.receiver],
  ["IPv6", ADDRESSES.receiver6],
])("a full socket, to the datagram, with the socket and who has it open (E2): %s", async (_, address) => {
  const listener = await scene.listen(["small"], address);
  const window = await scene.window(() => scene.send(address, COUNT));
  const { counted } = expectEqual(window, "socket-buffer", "SOCKET_RCVBUFF");
  expect(counted).toBeGreaterThan(COUNT / 2);

  const [at, ...others] = dropsBySocket(window.witness, window.measures.after.sockets ?? []);
  expect(others).toEqual([]);
  expect(at).toMatchObject({ cookie: listener.cookie, socket: { localPort: PORT, owner: { pid: listener.pid } } });
  expect(sumOf(at!.drops, "skbs")).toBe(counted);
  expect(at!.drops[0]).toMatchObject({ port: PORT, direction: "in", isFragment: false });
});

test("v4 datagrams to a dual-stack socket are v4's, as in the counters (E15)", async () => {
  await scene.listen(["small"], "::");
  const window = await scene.window(() => scene.send(ADDRESSES.receiver, COUNT));
  expectEqual(window, "socket-buffer", "SOCKET_RCVBUFF");
  expect(window.witness.drops.map(({ family }) => family)).toEqual([4]);
});

test("trains to a socket that takes them whole: k times the counter (E3)", async () => {
  await scene.listen(["small", "gro"]);
  const window = await scene.window(() => scene.send(ADDRESSES.receiver, COUNT, ["train"]));
  const found = agreement(window, "socket-buffer");
  expect(found).toMatchObject({ kind: "offload", isConfirmed: true });
  expect(found.skbs).toBe(found.counted);
  expect(found.datagrams).toBe(10 * found.skbs);
});

test("trains to a socket that takes datagrams: each is counted by both (E3b)", async () => {
  await scene.listen(["small"]);
  const window = await scene.window(() => scene.send(ADDRESSES.receiver, 50, ["train"]));
  expect(expectEqual(window, "socket-buffer", "SOCKET_RCVBUFF").datagrams).toBeGreaterThan(400);
});

test("nobody listens (E1)", async () => {
  const window = await scene.window(() => scene.send(ADDRESSES.receiver, COUNT));
  expect(expectEqual(window, "no-listener", "NO_SOCKET").counted).toBe(COUNT);
  expect(window.witness.drops.map(({ port, direction }) => [port, direction])).toEqual([[PORT, "in"]]);
});

test("nobody listens, behind IPv4 options: the port is found", async () => {
  const window = await scene.window(() => scene.send(ADDRESSES.receiver, COUNT, ["options"]));
  expect(expectEqual(window, "no-listener", "NO_SOCKET").counted).toBe(COUNT);
  expect(window.witness.drops.map(({ port }) => port)).toEqual([PORT]);
});

test("fragments whose rest never comes (E19): the kernel gives a reason for those that were first", async () => {
  scene.run("sysctl", "-qw", "net.ipv4.ipfrag_time=1");
  const window = await scene.window(async () => {
    scene.send(ADDRESSES.receiver, 20, ["fragments"]);
    await new Promise((wake) => setTimeout(wake, 3_000));
  });
  const found = agreement(window, "fragments");
  expect(found).toMatchObject({ handOff: "3", reasons: ["FRAG_REASM_TIMEOUT"], kind: "part", skbs: 20, counted: 40 });
});

test("a filter on the socket refuses all (E13)", async () => {
  await scene.listen(["filter"]);
  const window = await scene.window(() => scene.send(ADDRESSES.receiver, COUNT));
  expect(expectEqual(window, "socket-filter", "SOCKET_FILTER").counted).toBe(COUNT);
});

test("wrong checksums, which a reader finds when it reads, and nobody where nobody listens (E16)", async () => {
  const words = ["corrupt", `from=${ADDRESSES.sender}`];
  await scene.listen(["read"]);
  const read = await scene.window(async () => {
    scene.send(ADDRESSES.receiver, 200, words);
    // The reader has read the bad ones when it has read the good one behind them.
    scene.send(ADDRESSES.receiver, 1);
    await scene.closeListeners();
  });
  expect(expectEqual(read, "checksum", "UDP_CSUM").counted).toBe(200);

  const nobody = await scene.window(() => scene.send(ADDRESSES.receiver, 300, words));
  expect(expectEqual(nobody, "checksum", "UDP_CSUM").counted).toBe(300);
});

test("a rule of netfilter (E18), also one on the way out", async () => {
  scene.run("nft", "add table inet drops; add chain inet drops in { type filter hook input priority 0; }");
  scene.run("nft", `add rule inet drops in udp dport ${PORT} drop`);
  const window = await scene.window(() => scene.send(ADDRESSES.receiver, COUNT));
  expect(expectEqual(window, "eaten", "NETFILTER_DROP").counted).toBe(COUNT);
  scene.run("nft", "delete table inet drops");

  scene.run("nft", "add table inet drops; add chain inet drops out { type filter hook output priority 0; }");
  scene.run("nft", `add rule inet drops out udp dport ${PORT} drop`);
  const out = await scene.window(() => scene.send(ADDRESSES.sender, COUNT, [], scene.receiver));
  scene.run("nft", "delete table inet drops");
  expect(out.agreements.map(({ kind, reasons, skbs }) => [kind, reasons, skbs])).toEqual([
    ["uncounted", ["NETFILTER_DROP"], COUNT],
  ]);
});

test("the reverse path filter (E11)", async () => {
  scene.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1");
  scene.send(ADDRESSES.receiver, 1);
  const stranger = "203.0.113.7";
  const window = await scene.window(() => {
    ipInSender(`addr add ${stranger}/32 dev out`);
    scene.send(ADDRESSES.receiver, COUNT, [`from=${stranger}`]);
    ipInSender(`addr del ${stranger}/32 dev out`);
  });
  scene.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0");
  expect(expectEqual(window, "reverse-path", "IP_RPFILTER").counted).toBe(COUNT);
});

test("a queueing discipline that takes nothing (E9)", async () => {
  scene.run("tc", "qdisc", "add", "dev", "in", "root", "pfifo", "limit", "0");
  const window = await scene.window(() => scene.send(ADDRESSES.sender, COUNT, [], scene.receiver));
  scene.run("tc", "qdisc", "del", "dev", "in", "root");
  const found = agreement(window, "qdisc");
  expect(found).toMatchObject({ handOff: "8", isConfirmed: true, skbs: COUNT });
  expect(found.reasons[0]).toMatch(/^QDISC_/);
  expect(found.counted).toBeGreaterThanOrEqual(COUNT);
});

test("a neighbour that nobody is (E20)", async () => {
  const window = await scene.window(() => {
    scene.send("10.79.7.77", 2_000, [], scene.receiver);
    // What waits for it is dropped now, and not seconds later in another test's window.
    scene.ip("neigh del 10.79.7.77 dev in");
  });
  const found = agreement(window, "neighbour");
  expect(found).toMatchObject({ handOff: "8", reasons: ["NEIGH_QUEUEFULL"], isConfirmed: true });
  expect(found.skbs).toBeGreaterThan(500);
});

test("a rule of tc at the ingress; of fragments the first alone has a port", async () => {
  scene.run("tc", "qdisc", "add", "dev", "in", "clsact");
  scene.run("tc", "filter", "add", "dev", "in", "ingress", "bpf", "da", "obj", hooks, "sec", "tc");
  const window = await scene.window(() => {
    scene.send(ADDRESSES.receiver, COUNT);
    scene.send(ADDRESSES.receiver, 20, ["fragments"]);
  });
  scene.run("tc", "qdisc", "del", "dev", "in", "clsact");
  const found = agreement(window, "tc-ingress");
  expect(found).toMatchObject({ handOff: "3", reasons: ["TC_INGRESS"], isConfirmed: true, skbs: COUNT + 40 });
  const told = window.witness.drops.map(({ port, isFragment, skbs }) => [port, isFragment, skbs]);
  expect(told.sort()).toEqual([
    [0, true, 20],
    [PORT, false, COUNT + 20],
  ]);
});

test("what no counter shows: netfilter at the ingress of a device", async () => {
  scene.run(
    "nft",
    "add table netdev drops; add chain netdev drops in { type filter hook ingress device in priority 0; }",
  );
  scene.run("nft", `add rule netdev drops in udp dport ${PORT} drop`);
  const window = await scene.window(() => scene.send(ADDRESSES.receiver, COUNT));
  scene.run("nft", "delete table netdev drops");
  const said = window.agreements.find(({ reasons }) => reasons.includes("NETFILTER_DROP"));
  expect(said).toMatchObject({ kind: "uncounted", isConfirmed: false, skbs: COUNT });
});

test("generic XDP, for which the kernel gives a reason or none: counted either way, confirmed by nothing", async () => {
  scene.run("ip", "link", "set", "dev", "in", "xdpgeneric", "obj", hooks, "sec", "xdp");
  const window = await scene.window(() => scene.send(ADDRESSES.receiver, COUNT));
  scene.run("ip", "link", "set", "dev", "in", "xdpgeneric", "off");
  const dropped = window.witness.drops.filter(({ reason }) => reason === "XDP" || reason === "NOT_SPECIFIED");
  expect(sumOf(dropped, "skbs")).toBe(COUNT);
  expect(window.agreements.filter(({ isConfirmed }) => isConfirmed)).toEqual([]);
});

test("native XDP drops frames before they are anything of the kernel's (E12)", async () => {
  scene.run("ip", "link", "set", "dev", "in", "xdpdrv", "obj", hooks, "sec", "xdp");
  const window = await scene.window(() => scene.send(ADDRESSES.receiver, COUNT));
  scene.run("ip", "link", "set", "dev", "in", "xdpdrv", "off");
  expect(window.witness.drops.filter(({ reason }) => reason !== "NOT_SPECIFIED")).toEqual([]);
  expect(window.agreements.filter(({ isConfirmed }) => isConfirmed)).toEqual([]);
});

test("clean traffic: both are silent", async () => {
  await scene.listen(["read"]);
  const window = await scene.window(() => scene.send(ADDRESSES.receiver, 200));
  expect(window.agreements).toEqual([]);
  expect(window.witness.drops).toEqual([]);
});

test("what another namespace drops is not ours", async () => {
  const window = await scene.window(() => scene.send(ADDRESSES.sender, COUNT, [], scene.sender));
  expect(window.witness.drops).toEqual([]);
  expect(window.witness.events).toBeGreaterThanOrEqual(COUNT);
});
