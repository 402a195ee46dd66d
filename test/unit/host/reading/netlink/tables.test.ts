import { describe, expect, it } from "vitest";
import { decodeLinks } from "../../../../../host/reading/netlink/link.ts";
import { decodeNeighbours } from "../../../../../host/reading/netlink/neighbour.ts";
import { decodeQdiscs } from "../../../../../host/reading/netlink/qdisc.ts";
import { decodeQueueStats } from "../../../../../host/reading/netlink/queue_stats.ts";
import { decodeUdpSockets } from "../../../../../host/reading/netlink/udp_sockets.ts";
import { attribute, done, link, MULTI, message, textAttribute, u32s, u64s } from "./octets.ts";

const dump = (...messages: readonly Uint8Array[]): Buffer => Buffer.concat([...messages, done()]);
const range = (count: number): bigint[] => Array.from({ length: count }, (_, place) => BigInt(place + 1));

describe("links", () => {
  const name = textAttribute(3, "eth0");

  it("have the names of rtnl_link_stats64; what an older kernel does not count is absent", () => {
    const statsOf = (count: number): ReadonlyMap<string, bigint> =>
      decodeLinks(dump(link({}, name, attribute(23, u64s(...range(count)))))).value![0]!.stats;
    expect(statsOf(25).get("rx_dropped")).toBe(7n);
    expect(statsOf(25).get("rx_missed_errors")).toBe(16n);
    expect(statsOf(25).get("rx_otherhost_dropped")).toBe(25n);
    expect(statsOf(24).has("rx_otherhost_dropped")).toBe(false);
    expect(statsOf(23).has("rx_nohandler")).toBe(false);
    expect(statsOf(23).get("tx_compressed")).toBe(23n);
  });

  it.each([
    [0x1, false],
    [0x40, false],
    [0x41, true],
  ])("with flags %i an interface is up: %s", (flags, isUp) => {
    expect(decodeLinks(dump(link({ flags }, name))).value![0]).toMatchObject({ isUp, isLoopback: false });
  });

  it.each([
    [0, undefined],
    [1, "native"],
    [2, "generic"],
    [3, "offloaded"],
    [4, "multiple"],
    [9, undefined],
  ])("XDP attached %i is %s", (attached, xdp) => {
    const octets = dump(link({}, name, attribute(43, attribute(2, Buffer.from([attached])))));
    expect(decodeLinks(octets).value![0]!.xdp).toBe(xdp);
  });

  it("have a kind, a master, a queue and an MTU, where they are told", () => {
    const told = [attribute(18, textAttribute(1, "veth")), attribute(10, u32s(9)), attribute(13, u32s(1000))];
    const octets = dump(link({ index: 7 }, name, ...told, attribute(4, u32s(1500))));
    expect(decodeLinks(octets).value![0]).toMatchObject({
      index: 7,
      kind: "veth",
      master: 9,
      txQueueLength: 1000,
      mtu: 1500,
    });
    expect(Object.keys(decodeLinks(dump(link({}, name))).value![0]!)).toEqual([
      "index",
      "name",
      "isUp",
      "isLoopback",
      "stats",
    ]);
  });

  it("one without a name is none, and is counted", () => {
    const { value, reason } = decodeLinks(dump(link({}, name), link({}), message(16, MULTI, u32s(1))));
    expect(value).toHaveLength(1);
    expect(reason).toBe("2 of 3 messages are not as expected");
  });

  it("cut off, those before are kept with the reason; cut off at once, there is no list", () => {
    const whole = dump(link({}, name));
    expect(decodeLinks(whole.subarray(0, -20))).toMatchObject({ value: [{}], reason: expect.stringContaining("ends") });
    expect(decodeLinks(Buffer.alloc(0))).toEqual({ value: undefined, reason: "the answer ends after 0 messages" });
  });
});

describe("qdiscs", () => {
  const qdisc = (parent: number, handle: number, queue: Uint8Array = u32s(3, 4000, 1889, 0, 20)): Buffer => {
    const stats = attribute(7, attribute(3, queue));
    return message(36, MULTI, u32s(0, 2, handle, parent, 0), textAttribute(1, "tbf"), stats);
  };

  it.each([
    [0xffff_ffff, 0x8001_0000, "root", "8001:"],
    [0xffff_fff1, 0xffff_0000, "ingress", "ffff:"],
    [0x8001_0002, 0x8002_0000, "8001:2", "8002:"],
  ])("parent %i, handle %i", (parent, handle, parentText, handleText) => {
    expect(decodeQdiscs(dump(qdisc(parent, handle))).value).toEqual([
      {
        interfaceIndex: 2,
        kind: "tbf",
        handle: handleText,
        parent: parentText,
        drops: 1889n,
        overlimits: 20n,
        backlogPackets: 3,
      },
    ]);
  });

  it("one whose statistics are too short is none", () => {
    expect(decodeQdiscs(dump(qdisc(0, 0, u32s(3)))).reason).toBe("1 of 1 messages are not as expected");
  });
});

describe("neighbours", () => {
  const neighbour = (state: number, address: Uint8Array): Buffer =>
    message(28, MULTI, u32s(0, 2, state), attribute(1, address));

  it.each([
    [0x00, "NONE"],
    [0x01, "INCOMPLETE"],
    [0x02, "REACHABLE"],
    [0x04, "STALE"],
    [0x08, "DELAY"],
    [0x10, "PROBE"],
    [0x20, "FAILED"],
    [0x40, "NOARP"],
    [0x80, "PERMANENT"],
  ])("state %i is %s", (bits, state) => {
    const octets = dump(neighbour(bits, Buffer.from([192, 0, 2, 1])));
    expect(decodeNeighbours(octets).value).toEqual([{ interfaceIndex: 2, address: "192.0.2.1", state }]);
  });

  it("have addresses of either family, and none of another length", () => {
    const v6 = Buffer.from("20010db8000000000000000000000001", "hex");
    const { value, reason } = decodeNeighbours(dump(neighbour(2, v6), neighbour(2, Buffer.alloc(6))));
    expect(value!.map(({ address }) => address)).toEqual(["2001:db8::1"]);
    expect(reason).toBe("1 of 2 messages are not as expected");
  });
});

describe("sockets", () => {
  /** struct inet_diag_msg. */
  function socket(family: number, ...attributes: readonly Uint8Array[]): Buffer {
    const payload = Buffer.alloc(72);
    payload[0] = family;
    payload.writeUInt16BE(4433, 4);
    payload.writeUInt16BE(family === 2 ? 0 : 9000, 6);
    payload.set([192, 0, 2, 1], 8);
    payload.set([198, 51, 100, 1], 24);
    payload.set(u32s(0x9abc, 0x1), 44);
    payload.set(u32s(0, 6912, 100, 1000, 4_000_000_000), 52);
    return message(20, MULTI, payload, ...attributes);
  }

  it("of IPv4 without a peer, with what SO_MEMINFO has", () => {
    const memory = attribute(7, u32s(7000, 8192, 1, 212992, 0, 0, 0, 0, 4_294_967_295));
    expect(decodeUdpSockets(dump(socket(2, memory))).value).toEqual([
      {
        family: 4,
        localAddress: "192.0.2.1",
        localPort: 4433,
        inode: 4_000_000_000,
        cookie: 0x1_0000_9abcn,
        uid: 1000,
        receiveQueueBytes: 6912,
        sendQueueBytes: 100,
        receiveBufferBytes: 8192,
        sendBufferBytes: 212992,
        drops: 4_294_967_295,
      },
    ]);
  });

  it("of old kernels have no drops, and without SO_MEMINFO no buffers", () => {
    const [old] = decodeUdpSockets(dump(socket(2, attribute(7, u32s(1, 2, 3, 4, 5, 6, 7, 8))))).value!;
    expect(old).toMatchObject({ receiveBufferBytes: 2, sendBufferBytes: 4 });
    expect(old).not.toHaveProperty("drops");
    expect(decodeUdpSockets(dump(socket(2))).value![0]).not.toHaveProperty("receiveBufferBytes");
  });

  it("of IPv6 with a peer", () => {
    expect(decodeUdpSockets(dump(socket(10))).value![0]).toMatchObject({
      family: 6,
      localAddress: "c000:201::",
      remote: { address: "c633:6401::", port: 9000 },
    });
  });

  it("of another family, or cut short, are none", () => {
    const octets = dump(socket(17), message(20, MULTI, Buffer.alloc(71)));
    expect(decodeUdpSockets(octets).reason).toBe("2 of 2 messages are not as expected");
  });
});

describe("queue statistics", () => {
  const generic = (command: number): Buffer => Buffer.from([command, 1, 0, 0]);

  it("are numbers of 32 or 64 bit, as the kernel likes; what a driver does not count is absent", () => {
    const octets = dump(
      message(30, MULTI, generic(12), attribute(1, u32s(4)), attribute(13, u32s(7)), attribute(12, u64s(1n << 40n))),
      message(30, MULTI, generic(12), attribute(1, u32s(5)), attribute(34, u32s(3))),
      message(30, MULTI, generic(11), attribute(1, u32s(6))),
    );
    const { value, reason } = decodeQueueStats(octets);
    expect(reason).toBeUndefined();
    expect([...value!].map(([index, counters]) => [index, Object.fromEntries(counters)])).toEqual([
      [4, { "rx-alloc-fail": 1n << 40n, "rx-hw-drops": 7n }],
      [5, { "tx-wake": 3n }],
    ]);
  });

  it("of a host without such a driver are an empty table", () => {
    expect(decodeQueueStats(done())).toEqual({ value: new Map() });
  });
});
