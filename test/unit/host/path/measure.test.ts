import { describe, expect, it } from "vitest";
import { unexplainedDrops } from "../../../../host/path/device_loss.ts";
import { measure } from "../../../../host/path/measure.ts";
import type { Window } from "../../../../host/path/window.ts";
import type { Counters, Link, Reading, UdpSocket } from "../../../../host/reading/reading.ts";
import { reading, socket } from "../verdict/measures.ts";

const counters = (own: Record<string, number>): Counters =>
  new Map(Object.entries(own).map(([name, value]) => [name, BigInt(value)]));

const window = (before: Partial<Reading>, after: Partial<Reading>, own: Partial<Window> = {}): Window => ({
  subject: {},
  between: [],
  before: reading(before),
  after: reading({ steadyMs: 10_000, ...after }),
  ...own,
});

const eth0 = (own: Partial<Link> = {}): Link => ({
  index: 2,
  name: "eth0",
  isUp: true,
  isLoopback: false,
  stats: counters({ rx_packets: 0 }),
  ...own,
});

const udpSocket = (own: Partial<UdpSocket>): UdpSocket => ({ ...socket().socket, ...own });

describe("a window", () => {
  it("has a second reading that is later: otherwise there is no rate", () => {
    expect(() => measure(window({ steadyMs: 10_000 }, {}))).toThrow("not later than the first");
    expect(() => measure(window({}, { steadyMs: Number.NaN }))).toThrow("not later than the first");
  });
});

describe("columns that a kernel does not have", () => {
  it("are undefined and never 0: MemErrors below 5.11, InCsumErrors below 3.8", () => {
    const table = { InDatagrams: 0, InErrors: 0, RcvbufErrors: 0 };
    const { udp, totals } = measure(
      window({ udp4: counters(table) }, { udp4: counters({ InDatagrams: 10, InErrors: 50, RcvbufErrors: 30 }) }),
    );
    expect(udp.ip4).toMatchObject({ memoryErrors: undefined, checksumErrors: undefined, otherErrors: 20 });
    expect(totals).toMatchObject({ memoryErrors: undefined, checksumErrors: undefined, arrived: 60 });
  });

  it("are not half known: MemErrors of IPv6 alone says nothing of IPv4", () => {
    const own = { udp4: counters({ InErrors: 0 }), udp6: counters({ InErrors: 0, MemErrors: 0 }) };
    expect(measure(window(own, own)).totals.memoryErrors).toBeUndefined();
  });

  it("a host that tells nothing at all has measures, with nothing in them", () => {
    const { totals, links, sockets, cpus, restarted } = measure(window({}, {}));
    expect({ links, sockets, cpus, restarted, arrived: totals.arrived }).toEqual({ restarted: [] });
  });
});

describe("interfaces", () => {
  const links = (own: Link[]): Partial<Reading> => ({ links: own });

  it("one that vanishes between the readings is named, unless it is a pod's", () => {
    const gone = measure(window(links([eth0(), eth0({ index: 9, name: "veth9", kind: "veth" })]), links([])));
    expect(gone.links).toEqual([]);
    expect(gone.restarted).toEqual([{ handOff: "1", what: "eth0 went away within the window" }]);
  });

  it("one of the same name and another index is another one", () => {
    const anew = measure(window(links([eth0()]), links([eth0({ index: 7, stats: counters({ rx_packets: 9 }) })])));
    expect(anew).toMatchObject({ links: [], restarted: [{ what: "eth0 was made anew within the window" }] });
  });

  it("/proc/net/dev in one reading and netlink in the other are one interface: the file tells no index", () => {
    expect(measure(window(links([eth0({ index: 0 })]), links([eth0()]))).restarted).toEqual([]);
  });

  it("a gauge among the driver's counters may fall, a counter of loss may not", () => {
    const ena = (available: bigint, drops: bigint): Link =>
      eth0({
        driver: { name: "ena" },
        driverStats: [
          { name: "conntrack_allowance_available", value: available },
          { name: "pps_allowance_exceeded", value: drops },
        ],
      });
    const { restarted } = measure(window(links([ena(500n, 9_000_000_000n)]), links([ena(300n, 7n)])));
    expect(restarted).toEqual([{ handOff: "1", what: "eth0 pps_allowance_exceeded" }]);
  });

  it("drops of /proc/net/dev contain rx_missed_errors: what the device lost is taken off", () => {
    const r8169 = (drop: number, missed: bigint): Link =>
      eth0({
        stats: counters({ rx_packets: 0, rx_dropped: drop }),
        driver: { name: "r8169" },
        driverStats: [{ name: "rx_missed", value: missed }],
      });
    const { links: measured } = measure(window(links([r8169(0, 0n)]), links([r8169(6_211_334, 258n)])));
    expect(unexplainedDrops(measured![0]!, 0)).toBe(6_211_334 - 258);
  });
});

describe("sockets", () => {
  const sockets = (...own: UdpSocket[]): Partial<Reading> => ({ sockets: own });
  const dropsOf = (before: UdpSocket[], after: UdpSocket[], between: UdpSocket[][] = []) =>
    measure(
      window(sockets(...before), sockets(...after), { between: between.map((own) => reading(sockets(...own))) }),
    ).sockets!.map(({ drops, isOld, isGone }) => ({ drops, isOld, isGone }));

  it("a socket that was opened again counts from 0: no negative loss", () => {
    const [old, anew] = [udpSocket({ inode: 7, drops: 36_324 }), udpSocket({ inode: 8, drops: 12 })];
    expect(dropsOf([old], [anew])).toEqual([{ drops: 12, isOld: false, isGone: false }]);
  });

  it("one inode under two cookies is two sockets, one cookie is one", () => {
    const [one, other] = [udpSocket({ cookie: 1n, drops: 500 }), udpSocket({ cookie: 2n, drops: 30 })];
    expect(dropsOf([one], [other])).toEqual([{ drops: 30, isOld: false, isGone: false }]);
    expect(dropsOf([one], [{ ...one, drops: 620 }])).toEqual([{ drops: 120, isOld: true, isGone: false }]);
  });

  it("one that was closed within the window counts as it was seen last", () => {
    const old = udpSocket({ cookie: 1n, drops: 100 });
    const seen = [{ ...old, drops: 900 }];
    expect(dropsOf([old], [], [seen, []])).toEqual([{ drops: 800, isOld: true, isGone: true }]);
    expect(dropsOf([old], [])).toEqual([]);
  });

  it("32 bits wrap; a fall of one socket is nothing to conclude from", () => {
    const old = udpSocket({ cookie: 1n, drops: 2 ** 32 - 5 });
    expect(dropsOf([old], [{ ...old, drops: 10 }])[0]!.drops).toBe(15);
    expect(dropsOf([{ ...old, drops: 5000 }], [{ ...old, drops: 10 }])[0]!.drops).toBeUndefined();
  });

  it("a connected socket is in no group; members of one address and port are", () => {
    const remote = { address: "10.0.0.1", port: 9 };
    const all = [udpSocket({ inode: 1 }), udpSocket({ inode: 2 }), udpSocket({ inode: 3, remote })];
    const found = measure(window(sockets(...all), sockets(...all))).sockets!;
    expect(found.map(({ groupSize }) => groupSize)).toEqual([2, 2, 1]);
  });
});

describe("receive offload", () => {
  const ipTables = (skbs: number, wire: number, udp: Record<string, number>): Partial<Reading> => ({
    ip4: counters({ InReceives: skbs, InDelivers: skbs }),
    ip4Ext: counters({ InNoECTPkts: wire }),
    udp4: counters({ InDatagrams: 0, InErrors: 0, NoPorts: 0, ...udp }),
  });
  const received = (skbs: number, wire: number, udp: Record<string, number>) =>
    measure(window(ipTables(0, 0, {}), ipTables(skbs, wire, udp)));

  it("trains of ten before a socket with UDP_GRO: each count of UDP stands for ten", () => {
    const { offload, totals } = received(6000, 60_000, { InDatagrams: 2891, InErrors: 3109, RcvbufErrors: 3109 });
    expect(offload.ip4).toEqual({ datagramsPerSkb: 10, datagramsPerUdpCount: 10, isUdp: true });
    expect(totals.delivered).toBe(28_910);
  });

  it("before a socket without it the kernel takes them apart: UDP counts datagrams", () => {
    const { offload } = received(6000, 60_000, { InDatagrams: 19_664, InErrors: 40_336 });
    expect(offload.ip4.datagramsPerUdpCount).toBe(1);
  });

  it("trains of TCP are not taken for UDP's", () => {
    const { offload } = received(6000, 60_000, { InDatagrams: 500 });
    expect(offload.ip4).toEqual({ datagramsPerSkb: 10, datagramsPerUdpCount: 1, isUdp: false });
  });
});
