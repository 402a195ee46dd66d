import { execFileSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { loadHostAddon } from "../../host/reading/live/addon.ts";
import { inNamespace } from "../../host/reading/live/namespace.ts";
import { liveSystem } from "../../host/reading/live/system.ts";
import { parseReading } from "../../host/reading/parse.ts";
import { type ReadingPlan, readHost, readSystem } from "../../host/reading/read.ts";
import type { Link, Reading, UdpSocket } from "../../host/reading/reading.ts";
import { LIGHT } from "../../host/reading/sources.ts";
import { ipInside } from "../../proxy/lab/namespace.ts";
import { inside } from "./inside.ts";
import { Network, setQueue } from "./network.ts";
import { untilTrue } from "./process.ts";
import { Scripts } from "./scripts.ts";

/* What a test does to a network namespace of its own is what a reading of it says. */

const PORT = 4433;
const DEVICE = "clients";
const PAYLOAD = Buffer.alloc(1_200, 7);

let network: Network;
let edge: string;
const scripts = new Scripts();

beforeAll(() => {
  network = new Network();
  edge = network.topology.edge.namespace;
});
afterEach(() => scripts.end());
afterAll(() => network?.remove());

const read = (plan: Partial<ReadingPlan> = {}): Reading =>
  parseReading(readHost({ subject: { port: PORT }, namespace: edge, ...plan }));

interface IdleSockets {
  address?: string;
  count?: number;
  receiveBuffer?: number;
}

/** Sockets that nobody reads. Resolves with the process that has them. */
const openIdle = ({ address = "0.0.0.0", count = 1, receiveBuffer = 0 }: IdleSockets = {}): Promise<number> =>
  scripts.start(edge, "idle_sockets.py", address, PORT, count, receiveBuffer);

const at = (reading: Reading): UdpSocket[] => reading.sockets!.filter(({ localPort }) => localPort === PORT);
const linkOf = (reading: Reading): Link => reading.links!.find(({ name }) => name === DEVICE)!;
const counted = (name: string, reading: Reading): number => Number(reading.udp4!.get(name));

const sendFromClient = (count: number): Promise<void> => network.sendMany(PAYLOAD, count, PORT);

describe("sockets", () => {
  it("a socket that nobody reads: what waits, what was dropped, how large it is and whose it is", async () => {
    const pid = await openIdle({ receiveBuffer: 16_384 });
    const before = read();
    await sendFromClient(100);
    await untilTrue(
      "all have come",
      () => Number(read().ip4!.get("InDelivers")) - Number(before.ip4!.get("InDelivers")) >= 100,
    );
    const after = read();
    const [socket] = at(after);
    expect(at(after)).toHaveLength(1);
    expect(socket).toMatchObject({ family: 4, localAddress: "0.0.0.0", uid: 0, receiveBufferBytes: 32_768 });
    expect(socket!.drops).toBeGreaterThan(50);
    expect(socket!.drops).toBe(counted("RcvbufErrors", after) - counted("RcvbufErrors", before));
    expect(socket!.receiveQueueBytes).toBeGreaterThan(0);
    expect(socket!.owner).toMatchObject({ pid, command: "python3" });
    expect(socket!.owner!.openFiles).toBeGreaterThan(3);
    expect(at(before)[0]).toMatchObject({
      drops: 0,
      receiveQueueBytes: 0,
      inode: socket!.inode,
      cookie: socket!.cookie,
    });
  });

  it("what inet_diag says is what /proc/net/udp says", async () => {
    await openIdle({ address: "::", receiveBuffer: 8_192 });
    await sendFromClient(30);
    await untilTrue("some were dropped", () => at(read())[0]!.drops > 0);
    const withDiag = at(read());
    const raw = inNamespace(loadHostAddon(), edge, () =>
      readSystem(
        {
          ...liveSystem(),
          netlink: () => {
            throw Object.assign(new Error(), { code: "EPROTONOSUPPORT" });
          },
        },
        { subject: { port: PORT } },
      ),
    );
    const reading = parseReading(raw);
    const { cookie: _, receiveBufferBytes: __, sendBufferBytes: ___, ...rest } = withDiag[0]!;
    expect(at(reading)).toEqual([rest]);
    expect(rest).toMatchObject({ family: 6, localAddress: "::" });
    expect(linkOf(reading).stats.get("rx_packets")).toBeGreaterThan(0n);
    expect(reading.missing.get("rtnl/link")).toContain("no such netlink protocol");
  });

  it("a thousand sockets of one port, each with its owner", async () => {
    const pid = await openIdle({ count: 1_000 });
    const sockets = at(read());
    expect(sockets).toHaveLength(1_000);
    expect(new Set(sockets.map(({ inode }) => inode)).size).toBe(1_000);
    expect(sockets.every(({ owner }) => owner?.pid === pid)).toBe(true);
  });

  it("the light reading has those of the ports that it is told", async () => {
    await openIdle({ count: 3 });
    const other = await network.edge.open({ family: 4, address: "0.0.0.0" });
    const light = read({ sources: LIGHT, ports: [PORT] });
    expect(light.sockets!.map(({ localPort }) => localPort)).toEqual([PORT, PORT, PORT]);
    expect(read({ sources: LIGHT, ports: [PORT, other.port] }).sockets).toHaveLength(4);
    expect(light.udp4!.has("RcvbufErrors")).toBe(true);
    await network.edge.close(other.id);
  });
});

describe("interfaces", () => {
  afterEach(() => ipInside(edge, [`link set dev ${DEVICE} xdp off`]));

  it("an XDP program: how it is attached, and what it drops in the driver", async () => {
    const program = join(network.topology.directory, "drop_all.o");
    const source = join(import.meta.dirname, "drop_all.bpf.c");
    execFileSync("clang-19", ["-target", "bpf", "-O2", "-c", source, "-o", program]);
    expect(linkOf(read()).xdp).toBeUndefined();
    ipInside(edge, [`link set dev ${DEVICE} xdpdrv obj ${program} sec xdp`]);
    const drops = (): number => Number(linkOf(read()).driverStats!.find(({ name }) => /xdp_drops$/.test(name))!.value);
    const before = drops();
    await sendFromClient(20);
    await untilTrue("it dropped them", () => drops() - before >= 20);
    expect(linkOf(read())).toMatchObject({ xdp: "native", kind: "veth", isUp: true, driver: { name: "veth" } });
    ipInside(edge, [`link set dev ${DEVICE} xdp off`, `link set dev ${DEVICE} xdpgeneric obj ${program} sec xdp`]);
    expect(linkOf(read()).xdp).toBe("generic");
    ipInside(edge, [`link set dev ${DEVICE} xdpgeneric off`]);
  });

  it("one that vanishes between two requests takes nothing else along", () => {
    ipInside(edge, ["link add gone type veth peer name gone-peer", "link set gone-peer up", "link set gone up"]);
    const addon = loadHostAddon();
    const system = liveSystem(addon);
    let isThere = true;
    const raw = inNamespace(addon, edge, () =>
      readSystem(
        {
          ...system,
          ethtool: (name, request, answerBytes) => {
            if (isThere) execFileSync("ip", ["link", "del", "gone"]);
            isThere = false;
            return system.ethtool(name, request, answerBytes);
          },
        },
        { subject: {} },
      ),
    );
    const reading = parseReading(raw);
    expect(reading.links!.map(({ name }) => name)).toContain("gone");
    expect(reading.missing.get("ethtool/gone/stats")).toBe("the interface is gone (ENODEV)");
    expect(linkOf(reading).driver).toMatchObject({ name: "veth" });
  });

  it("counters are those that ip and ethtool print", () => {
    const before = linkOf(read());
    const [printed] = JSON.parse(inside(edge, ["ip", "-j", "-s", "link", "show", DEVICE])) as [
      { ifindex: number; mtu: number; stats64: { rx: { packets: number }; tx: { bytes: number } } },
    ];
    const after = linkOf(read());
    expect(before).toMatchObject({ index: printed.ifindex, mtu: printed.mtu });
    // Neighbours are looked for meanwhile.
    for (const [name, value] of [
      ["rx_packets", printed.stats64.rx.packets],
      ["tx_bytes", printed.stats64.tx.bytes],
    ] as const) {
      expect(value).toBeGreaterThan(0);
      expect(Number(before.stats.get(name))).toBeLessThanOrEqual(value);
      expect(Number(after.stats.get(name))).toBeGreaterThanOrEqual(value);
    }
    const names = inside(edge, ["ethtool", "-S", DEVICE]).match(/^ {5}.*(?=: \d+$)/gm)!;
    expect(before.driverStats!.map(({ name }) => name)).toEqual(names.map((name) => name.trim()));
  });
});

describe("sending", () => {
  const sendFromEdge = async (count: number, address: string): Promise<void> => {
    const { id } = await network.edge.open({ family: 4, address: "0.0.0.0" });
    for (let sent = 0; sent < count; sent++) {
      await network.edge.send({ socket: id, payload: PAYLOAD, address, port: PORT }).catch(() => {});
    }
    await network.edge.close(id);
  };

  it("a queue that takes nothing: its drops", async () => {
    await sendFromEdge(1, network.topology.client.own.v4);
    setQueue(edge, DEVICE, "full");
    await sendFromEdge(12, network.topology.client.own.v4);
    const reading = read();
    const index = linkOf(reading).index;
    const [qdisc] = reading.qdiscs!.filter(({ interfaceIndex }) => interfaceIndex === index);
    setQueue(edge, DEVICE, "none");
    expect(qdisc).toMatchObject({ kind: "pfifo", parent: "root", backlogPackets: 0 });
    expect(Number(qdisc!.drops)).toBeGreaterThanOrEqual(12);
  });

  it("a neighbour that does not answer: its state, and what was waiting for it", async () => {
    const before = Number(read().arpCache!.get("unresolved_discards"));
    await sendFromEdge(400, "10.79.1.99");
    const { neighbours, arpCache } = read();
    expect(neighbours!.find(({ address }) => address === "10.79.1.99")!.state).toMatch(/INCOMPLETE|FAILED/);
    expect(neighbours!.find(({ address }) => address === network.topology.client.own.v4)!.state).not.toMatch(/FAILED/);
    expect(Number(arpCache!.get("unresolved_discards")) - before).toBeGreaterThan(0);
  });
});

it("connection tracking: as many entries as there were flows, once it is on", async () => {
  expect(read().conntrack.count).toBe(0);
  inside(edge, [
    "nft",
    "add table inet seen; add chain inet seen in { type filter hook input priority 0; }; add rule inet seen in ct state new accept",
  ]);
  const sockets = await Promise.all(Array.from({ length: 5 }, () => network.openClient()));
  for (const socket of sockets) await network.send(socket, PAYLOAD, PORT);
  await untilTrue("all are tracked", () => (read().conntrack.count ?? 0) >= 5);
  expect(read().conntrack.stats!.has("insert_failed")).toBe(true);
  expect(read().conntrack.max).toBeGreaterThan(1_000);
  inside(edge, ["nft", "delete table inet seen"]);
  for (const socket of sockets) await network.client.close(socket);
});

describe("another network namespace", () => {
  const home = readlinkSync("/proc/thread-self/ns/net");
  const names = (namespace?: string): string[] =>
    parseReading(
      readHost({ subject: {}, sources: new Set(["rtnl/link"]), ...(namespace !== undefined && { namespace }) }),
    ).links!.map(({ name }) => name);

  it("is entered by its name, a path or the id of a process, and left again", async () => {
    const pid = await openIdle();
    const ours = names();
    for (const choice of [edge, `/run/netns/${edge}`, `/proc/${pid}/ns/net`, `${pid}`]) {
      expect(names(choice)).toContain(DEVICE);
      expect(readlinkSync("/proc/thread-self/ns/net")).toBe(home);
      expect(names()).toEqual(ours);
    }
  });

  it("is left whatever goes wrong inside", () => {
    const run = (): never =>
      inNamespace(loadHostAddon(), edge, () => {
        throw new Error("inside");
      });
    expect(run).toThrow("inside");
    expect(readlinkSync("/proc/thread-self/ns/net")).toBe(home);
  });

  it("has the numbers of the machine that it hides itself", () => {
    const { sysctls, arpCache, missing } = read();
    expect(sysctls.get("net.core.rmem_max")).toEqual([Number(readFileSync("/proc/sys/net/core/rmem_max", "utf8"))]);
    expect(sysctls.get("net.ipv4.udp_mem")).toHaveLength(3);
    expect(arpCache).toBeDefined();
    expect([...missing.keys()].filter((name) => !name.startsWith("ethtool/"))).toEqual([]);
  });

  it("that ends while it is read is read to its end", () => {
    execFileSync("ip", ["netns", "add", `${network.topology.name}-brief`]);
    const addon = loadHostAddon();
    const raw = inNamespace(addon, `${network.topology.name}-brief`, () => {
      execFileSync("ip", ["netns", "del", `${network.topology.name}-brief`]);
      return readSystem(liveSystem(addon), { subject: {} });
    });
    expect(parseReading(raw).links!.map(({ name }) => name)).toEqual(["lo"]);
  });

  it.each([
    ["no-such", "there is none of this name"],
    ["4194304", "there is none of this name"],
    ["/dev/null", "it is no network namespace"],
    ["/etc", "it is no network namespace"],
    ["/proc/self/ns/pid", "it is no network namespace"],
    ["..", "it is no network namespace"],
    ["", "it is no network namespace"],
    ["a\u0000b", "it is no network namespace"],
  ])("%j is refused with what to do", (choice, reason) => {
    expect(() => read({ namespace: choice })).toThrow(reason);
    expect(readlinkSync("/proc/thread-self/ns/net")).toBe(home);
  });
});

describe("an ordinary user", () => {
  const asUser = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const reader = [process.execPath, join(import.meta.dirname, "host_reading_process.ts")];

  it("reads all but what needs a right, and is told which", async () => {
    await openIdle({ receiveBuffer: 4_096 });
    await sendFromClient(30);
    const reading = parseReading(JSON.parse(inside(edge, [...asUser, ...reader])));
    expect(at(reading)[0]!.drops).toBeGreaterThan(0);
    expect(at(reading)[0]!.owner).toBeUndefined();
    expect(linkOf(reading).driverStats).toBeDefined();
    expect(reading.udp4!.has("RcvbufErrors")).toBe(true);
    expect(reading.missing.get("proc/net/netfilter/nfnetlink_queue")).toBe(
      "not allowed (EACCES): needs root, or CAP_DAC_READ_SEARCH",
    );
    expect(reading.missing.get("sockets/owners")).toMatch(
      /^files of \d+ processes are not ours to see: needs root, or CAP_SYS_PTRACE$/,
    );
    for (const name of ["proc/net/snmp", "rtnl/link", "rtnl/qdisc", "inet_diag/udp4", "proc/net/softnet_stat"]) {
      expect([name, reading.missing.get(name)]).toEqual([name, undefined]);
    }
  });

  it("enters no other namespace, and is told what that needs", () => {
    const { error } = JSON.parse(inside(network.topology.client.namespace, [...asUser, ...reader, edge])) as {
      error: string;
    };
    expect(error).toBe(`network namespace "${edge}": entering it needs CAP_SYS_ADMIN (run as root)`);
  });
});
