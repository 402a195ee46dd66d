import { readFileSync } from "node:fs";
import { untilTrue } from "../../net/process.ts";
import type { Scene } from "../scene.ts";
import { makeMemoryCgroup, memoryCgroupMissing } from "../stage/cgroup.ts";
import { WIRE } from "../stage/stage.ts";

const UDP_MEM = "/proc/sys/net/ipv4/udp_mem";
/** Far more than CPUs keep for themselves, which the kernel does not count (256 each). */
const PAGES_MORE = 8192;
const NEARLY = 0.97;

/** Pages that UDP sockets of the whole machine hold. */
function udpPages(): number {
  return Number(/^UDP: .* mem (\d+)/m.exec(readFileSync("/proc/net/sockstat", "utf8"))?.[1]);
}

export const udpMemory: Scene = {
  fault: "udp_mem used up by a big buffer",
  handOff: "5",
  verdict: "udp-memory",
  remedy: /udp_mem=/,
  reason: "PROTO_MEM",
  exitCode: 1,
  moves: { "sockets.drops": 200 },
  still: ["udp4.NoPorts", "udp4.InCsumErrors"],
  reach: "machine",
  play: async (stage) => {
    await stage.receive({ rate: 1000, buffer: 256 << 20, force: true });
    const pages = udpPages() + PAGES_MORE;
    await stage.change(UDP_MEM, `${pages} ${pages} ${pages}`);
    await stage.send({ rate: 10_000 });
    await untilTrue("UDP's memory is used up", () => udpPages() >= NEARLY * pages, 20);
  },
};

export const memoryCgroup: Scene = {
  fault: "memory limit of a cgroup",
  handOff: "5",
  verdict: "memory-cgroup",
  remedy: /resources\.limits\.memory/,
  reason: "PROTO_MEM",
  exitCode: 1,
  moves: { "sockets.drops": 200 },
  still: ["udp4.NoPorts", "udp4.InCsumErrors"],
  reach: "namespace",
  missing: memoryCgroupMissing,
  play: async (stage) => {
    const cgroup = makeMemoryCgroup(stage, 32 << 20);
    await stage.receive({ cgroup, rate: 500, buffer: 256 << 20, force: true });
    await stage.send({ rate: 10_000 });
  },
};

/** Each datagram meets RULES times JUMPS rules: one CPU takes datagrams out more slowly than another puts them in. */
const RULES = 100;
const JUMPS = 30;
const slowRules = (): string =>
  [
    "add table inet slow",
    "add chain inet slow many",
    "add chain inet slow input { type filter hook input priority 0 ; }",
    ...Array.from({ length: RULES }, (_, port) => `add rule inet slow many udp dport ${port + 1} accept`),
    ...Array.from({ length: JUMPS }, () => "add rule inet slow input jump many"),
  ].join("\n");

export const backlogOverflow: Scene = {
  fault: "backlog of a CPU overflows",
  handOff: "2",
  verdict: "backlog-overflow",
  remedy: /netdev_max_backlog/,
  reason: "CPU_BACKLOG",
  exitCode: 1,
  moves: { "softnet.dropped": 200 },
  reach: "machine",
  play: async (stage) => {
    stage.onHost("nft", slowRules());
    // The datagrams of a train go apart at the device, one after the other, faster than any program sends.
    stage.onClient("ethtool", "-K", "access", "gso", "off", "tx-udp-segmentation", "off");
    stage.onHost("sh", "-c", `echo 1 >/sys/class/net/${WIRE}/queues/rx-0/rps_cpus`);
    await stage.receive();
    await stage.send({ rate: 5000, burst: 5000, train: 50, size: 100, cpu: 1, sources: 64 });
  },
};
