import { describe, expect, it } from "vitest";
import { linksRequest, queueStatsRequest, udpSocketsRequest } from "../../../../host/reading/netlink/requests.ts";
import { parseReading } from "../../../../host/reading/parse.ts";
import type { RawSource } from "../../../../host/reading/raw.ts";
import { type ReadingPlan, readSystem } from "../../../../host/reading/read.ts";
import { FULL, LIGHT, OWNERS } from "../../../../host/reading/sources.ts";
import { answerQueueStats, FakeSystem, refuse } from "./live/fake_system.ts";
import { done, INTERRUPTED, link, MULTI, textAttribute } from "./netlink/octets.ts";
import * as texts from "./recorded/texts.ts";

const read = (system: FakeSystem, plan: Partial<ReadingPlan> = {}): Readonly<Record<string, RawSource>> =>
  readSystem(system, { subject: {}, ...plan }).sources;

describe("on a machine that has nothing", () => {
  const sources = read(new FakeSystem());

  it("every source says what it means that it is not there, and none is forgotten", () => {
    for (const name of FULL) {
      if (["ethtool", "cgroup", OWNERS].includes(name)) continue;
      expect([name, sources[name]]).toEqual([name, { error: expect.stringMatching(/^not there \(ENOENT\): ./) }]);
    }
  });

  it("files are tried in place of netlink", () => {
    expect(Object.keys(sources)).toEqual(expect.arrayContaining(["proc/net/udp", "proc/net/udp6", "proc/net/dev"]));
  });
});

describe("errors of files", () => {
  it.each([
    ["EACCES", "not allowed (EACCES): needs root, or CAP_DAC_READ_SEARCH"],
    ["EPERM", "not allowed (EPERM): needs root, or CAP_DAC_READ_SEARCH"],
    ["EFBIG", "it is longer than what is read of it (EFBIG)"],
    ["EIO", "the kernel refused it: EIO"],
  ])("%s stops nothing else and is said", (code, error) => {
    const system = new FakeSystem();
    system.files.set("/proc/net/snmp", () => refuse(code));
    system.files.set("/proc/net/netstat", "x");
    const sources = read(system);
    expect(sources["proc/net/snmp"]).toEqual({ error });
    expect(sources["proc/net/netstat"]).toEqual({ text: "x" });
  });
});

describe("netlink", () => {
  it("where it answers, the file that has less is not read", () => {
    const system = new FakeSystem();
    system.answerLinks("lo", "eth0");
    system.answerSockets([{ inode: 1, port: 443 }]);
    system.files.set("/proc/net/udp", () => refuse("EIO"));
    const sources = read(system);
    expect(sources).not.toHaveProperty("proc/net/udp");
    expect(sources).not.toHaveProperty("proc/net/udp6");
    expect(sources).not.toHaveProperty("proc/net/dev");
  });

  it("an answer that is not whole is kept, and the file beside it", () => {
    const system = new FakeSystem();
    system.answerSockets([{ inode: 1, port: 443 }]);
    system.answer(udpSocketsRequest(4), Buffer.alloc(7));
    system.files.set("/proc/net/udp", texts.UDP_3_10);
    const raw = readSystem(system, { subject: {} });
    const { sockets, missing } = parseReading(raw);
    expect(sockets).toHaveLength(2);
    expect(missing.get("inet_diag/udp4")).toBe("the answer ends after 0 messages");
  });

  it("a table that changes meanwhile is read again, three times at most", () => {
    const system = new FakeSystem();
    const interrupted = Buffer.concat([link({}, textAttribute(3, "eth0")), done(MULTI | INTERRUPTED)]);
    const whole = Buffer.concat([link({}, textAttribute(3, "eth0")), done()]);
    system.answer(linksRequest(), interrupted, interrupted, whole);
    expect(read(system, { sources: new Set(["rtnl/link"]) })["rtnl/link"]).toEqual({
      base64: whole.toString("base64"),
    });
    system.asked.length = 0;
    system.answer(linksRequest(), interrupted);
    const raw = readSystem(system, { subject: {}, sources: new Set(["rtnl/link"]) });
    expect(system.asked).toHaveLength(3);
    expect(parseReading(raw).links).toHaveLength(1);
    expect(parseReading(raw).missing.get("rtnl/link")).toBe("the table changed while it was read");
  });

  it("queue statistics belong to a family that has a number of its own on each machine", () => {
    const system = new FakeSystem();
    system.answerLinks("lo", "eth0");
    answerQueueStats(system, queueStatsRequest(31), 31);
    const { links } = parseReading(readSystem(system, { subject: {} }));
    expect(links!.map(({ queueStats }) => queueStats && Object.fromEntries(queueStats))).toEqual([
      undefined,
      { "rx-hw-drops": 5n },
    ]);
  });

  it("sockets of given ports are asked for port by port; of many, all at once", () => {
    const asked = (ports: readonly number[]): string[] => {
      const system = new FakeSystem();
      system.answerSockets([], 443);
      system.answerSockets([], 444);
      system.answerSockets([]);
      read(system, { ports, sources: new Set(["inet_diag/udp4"]) });
      return system.asked;
    };
    const hex = (port: number): string => Buffer.from(udpSocketsRequest(4, port)).toString("hex");
    expect(asked([443, 444])).toEqual([hex(443), hex(444)]);
    expect(asked([1, 2, 3, 4, 5, 6, 7, 8, 9])).toEqual([hex(0)]);
  });
});

describe("drivers", () => {
  const asked = (system: FakeSystem, plan: Partial<ReadingPlan> = {}): string[] => {
    const names = Object.keys(read(system, plan)).filter((name) => name.startsWith("ethtool/"));
    return [...new Set(names.map((name) => name.split("/")[1]!))];
  };

  it("of the interface that is asked about, or of all that are up but the loopback", () => {
    const system = new FakeSystem();
    system.answerLinks("lo", "eth0", "eth1");
    expect(asked(system)).toEqual(["eth0", "eth1"]);
    expect(asked(system, { subject: { interface: "eth1" } })).toEqual(["eth1"]);
    expect(asked(system, { subject: { interface: "eth9" } })).toEqual([]);
    expect(asked(system, { sources: LIGHT })).toEqual([]);
  });

  it("of 32 interfaces at most, and their filter of sources with them", () => {
    const system = new FakeSystem();
    system.answerLinks(...Array.from({ length: 100 }, (_, place) => `veth${place}`));
    expect(asked(system)).toHaveLength(32);
    expect(read(system)).toHaveProperty(["proc/sys/net/ipv4/conf/veth0/rp_filter"]);
  });

  it("of an interface that vanishes between two requests the rest is there", () => {
    const system = new FakeSystem();
    system.answerLinks("lo", "eth0");
    system.onEthtool = () => refuse("ENODEV");
    const { links, missing } = parseReading(readSystem(system, { subject: {} }));
    expect(links!.map(({ name }) => name)).toEqual(["lo", "eth0"]);
    expect(missing.get("ethtool/eth0/stats")).toBe("the interface is gone (ENODEV)");
  });
});

describe("owners", () => {
  it("are looked for of the port, and of sockets that lost or hold datagrams", () => {
    const system = new FakeSystem();
    system.answerSockets([
      { inode: 1, port: 443 },
      { inode: 2, port: 9, drops: 1 },
      { inode: 3, port: 9, queueBytes: 1 },
      { inode: 4, port: 9 },
      { inode: 0, port: 443 },
    ]);
    system.addProcess(7, [1, 2, 3, 4]);
    const owned = (port?: number): boolean[] => {
      const subject = port === undefined ? {} : { port };
      const { sockets } = parseReading(readSystem(system, { subject }));
      return sockets!.map(({ owner }) => owner !== undefined);
    };
    expect(owned(443)).toEqual([true, true, true, false, false]);
    expect(owned()).toEqual([false, true, true, false, false]);
  });

  it("bring the memory of their cgroups", () => {
    const system = new FakeSystem();
    system.answerSockets([{ inode: 1, port: 443 }]);
    system.addProcess(7, [1], { cgroup: "/pods/a" });
    system.files.set("/proc/self/mountinfo", "30 23 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
    system.files.set("/cg/pods/a/memory.events", "max 17\n");
    const { memoryCgroups } = parseReading(readSystem(system, { subject: { port: 443 } }));
    expect(memoryCgroups).toEqual([{ cgroup: "/pods/a", events: new Map([["max", 17n]]) }]);
  });
});

it("the light reading asks no driver and no process, and has nothing but what it names", () => {
  const system = new FakeSystem();
  system.answerLinks("lo", "eth0");
  system.answerSockets([{ inode: 1, port: 443, drops: 5 }], 443);
  system.onEthtool = () => refuse("it asked a driver");
  system.list = () => refuse("it looked for processes");
  const sources = read(system, { subject: { port: 443 }, ports: [443], sources: LIGHT });
  expect(new Set(Object.keys(sources))).toEqual(LIGHT);
});
