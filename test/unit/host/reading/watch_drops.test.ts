import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { DropEntry } from "../../../../host/reading/drop_reasons.ts";
import { isConfidential, lackingCapabilities, whyNot } from "../../../../host/reading/live/drop_witness_refusal.ts";
import { NamespaceError, namespaceInode } from "../../../../host/reading/live/namespace.ts";
import { type DropReasonsSettings, DropWatch, type WatchSystem } from "../../../../host/reading/live/watch_drops.ts";

const BTF = readFileSync(join(import.meta.dirname, "../../../fixtures/btf/newer.btf"));
const entry: DropEntry = {
  reason: 6,
  isErrno: false,
  namespace: 4026531840,
  interfaceIndex: 2,
  family: 4,
  port: 443,
  direction: "in",
  isFragment: false,
  cookie: 7n,
  skbs: 5,
  datagrams: 5,
  octets: 6_000,
};

/** A machine whose time passes when a test says so. */
class Machine implements WatchSystem {
  nowMs = 1_000;
  events = 0;
  readonly asked: DropReasonsSettings[] = [];
  readonly files = new Map<string, Uint8Array | string>([["/sys/kernel/btf/vmlinux", BTF]]);
  detached = 0;
  entries: DropEntry[] = [entry];
  refuse: (settings: DropReasonsSettings) => Error | undefined = () => undefined;
  #tick: (() => void) | undefined;

  readonly DropReasons: WatchSystem["DropReasons"];

  constructor() {
    const machine = this;
    this.DropReasons = class {
      constructor(settings: DropReasonsSettings) {
        machine.asked.push(settings);
        const error = machine.refuse(settings);
        if (error !== undefined) throw error;
      }
      read = () => ({ entries: machine.entries, events: machine.events, lost: 1, unreadable: 2, missed: 3 });
      events = () => machine.events;
      detach = () => void machine.detached++;
    };
  }
  steadyMs = () => this.nowMs;
  readText = (path: string): string => String(this.#file(path));
  readOctets = (path: string): Uint8Array => this.#file(path) as Uint8Array;
  every = (_intervalMs: number, act: () => void) => {
    this.#tick = act;
    return () => {
      this.#tick = undefined;
    };
  };
  get isWatched(): boolean {
    return this.#tick !== undefined;
  }
  pass(ms: number, events: number): void {
    this.nowMs += ms;
    this.events += events;
    this.#tick?.();
  }
  #file(path: string): Uint8Array | string {
    const file = this.files.get(path);
    if (file === undefined) throw new Error(`ENOENT: ${path}`);
    return file;
  }
}

const watch = (machine: Machine) => new DropWatch({ namespace: 4026531840, ports: [443] }, machine);
const refusal = (code: string, message: string) => Object.assign(new Error(message), { code });

test("a window: what was counted, by name, and for how long", () => {
  const machine = new Machine();
  const watching = watch(machine);
  machine.pass(100, 10);
  machine.nowMs += 9_900;
  expect(watching.end()).toEqual({
    level: "reasons",
    refusals: [],
    namespace: 4026531840,
    seconds: 10,
    drops: [expect.objectContaining({ reason: "SOCKET_RCVBUFF", cookie: "7", skbs: 5 })],
    events: 10,
    lost: 1,
    unreadable: 2,
    missed: 3,
  });
  expect(machine.asked).toEqual([{ namespaces: [4026531840], ports: [443], witness: "reasons" }]);
  expect([machine.detached, machine.isWatched]).toEqual([1, false]);
  machine.nowMs += 5_000;
  expect(watching.end().seconds).toBe(10);
  expect(machine.detached).toBe(1);
});

test("a storm in the first 100 ms ends it after a second; the end of the window says so", () => {
  const machine = new Machine();
  const watching = watch(machine);
  for (let i = 0; i < 9; i++) machine.pass(100, 20_100);
  expect(machine.detached).toBe(0);
  machine.pass(100, 0);
  expect([machine.detached, machine.isWatched]).toEqual([1, false]);
  machine.nowMs += 9_000;
  expect(watching.end()).toMatchObject({ seconds: 1, stopped: { eventsPerSecond: 201_000 } });
});

test("a storm that comes later ends it at once; many drops that are no storm do not", () => {
  const machine = new Machine();
  const watching = watch(machine);
  for (let i = 0; i < 30; i++) machine.pass(100, 19_900);
  expect(machine.detached).toBe(0);
  machine.pass(100, 100_000);
  expect(machine.detached).toBe(1);
  expect(watching.end()).toMatchObject({ seconds: 3.1, stopped: { eventsPerSecond: 1_000_000 } });
});

test("checks that come late do not make a storm of a calm", () => {
  const machine = new Machine();
  const watching = watch(machine);
  machine.pass(2_000, 300_000);
  expect(watching.end()).not.toHaveProperty("stopped");
});

test("the ladder: without reasons full sockets, without rights counters, with each step's why", () => {
  const old = new Machine();
  old.refuse = ({ witness }) =>
    witness === "reasons" ? refusal("NoTracepoint", "the kernel gives no drop reasons (5.17 and newer do)") : undefined;
  old.entries = [{ ...entry, isErrno: true, reason: 12 }];
  old.files.clear();
  expect(watch(old).end()).toMatchObject({
    level: "udp_fail",
    refusals: [{ level: "reasons", why: "the kernel gives no drop reasons (5.17 and newer do)" }],
    drops: [{ reason: "SOCKET_RCVBUFF" }],
  });

  const poor = new Machine();
  poor.refuse = () => refusal("NoRights", "it needs CAP_BPF and CAP_PERFMON");
  poor.files.set("/proc/self/status", "Name:\tx\nCapEff:\t0000008000000000\n");
  const why = "it needs CAP_BPF and CAP_PERFMON, and this process lacks CAP_PERFMON: run it as root";
  expect(watch(poor).end()).toMatchObject({
    level: "counters",
    refusals: [
      { level: "reasons", why },
      { level: "udp_fail", why },
    ],
    drops: [],
    seconds: 0,
  });
  expect(poor.isWatched).toBe(false);
});

test("numbers without names are no evidence", () => {
  const machine = new Machine();
  machine.files.set("/sys/kernel/btf/vmlinux", Buffer.from("nonsense"));
  expect(watch(machine).end()).toMatchObject({
    level: "counters",
    drops: [],
    refusals: [{ level: "reasons", why: "BTF: 8 octets are no header" }],
  });
  expect(machine.detached).toBe(1);
});

test("reasons of modules, where they are loaded", () => {
  const machine = new Machine();
  machine.entries = [{ ...entry, reason: 0x20001 }];
  expect(watch(machine).end().drops[0]?.reason).toBe("OPENVSWITCH_1");
});

test("more ports than can be told apart: the first", () => {
  const machine = new Machine();
  new DropWatch({ namespace: 1, ports: Array.from({ length: 5_000 }, (_, i) => i + 1) }, machine).end();
  expect(machine.asked[0]?.ports).toHaveLength(4096);
});

test("the namespace that we are in", () => {
  expect(namespaceInode()).toBe(statSync("/proc/self/ns/net").ino);
  expect(namespaceInode(String(process.pid))).toBe(namespaceInode());
  expect(() => namespaceInode("no such namespace")).toThrow(NamespaceError);
});

test("which capabilities are lacking", () => {
  const status = (capabilities: string) => `CapPrm:\t000001ffffffffff\nCapEff:\t${capabilities}\n`;
  expect(lackingCapabilities(status("0000000000000000"))).toEqual(["CAP_PERFMON", "CAP_BPF"]);
  expect(lackingCapabilities(status("000000c000000000"))).toEqual([]);
  expect(lackingCapabilities(status("0000000000200000"))).toEqual([]);
  expect(lackingCapabilities("")).toBeUndefined();
});

test("why not, from what the kernel and its files say", () => {
  const files = (contents: Record<string, string>) => ({
    readText: (path: string) => {
      if (contents[path] === undefined) throw new Error("ENOENT");
      return contents[path];
    },
  });
  const rights = refusal("NoRights", "it needs CAP_BPF and CAP_PERFMON");
  expect(whyNot(rights, files({ "/proc/self/status": "CapEff:\t000001ffffffffff\n" }))).toContain(
    "another user namespace",
  );
  expect(whyNot(rights, files({}))).toContain("although it seems to have both");
  expect(whyNot(refusal("NoTypes", "the kernel does not tell its types (BTF)"), files({}))).toContain(
    "/sys/kernel/btf/vmlinux is missing",
  );
  expect(whyNot(refusal("Refused", "the kernel refused BPF: Invalid argument"), files({}))).toBe(
    "the kernel refused BPF: Invalid argument",
  );
  const lockdown = { "/sys/kernel/security/lockdown": "none integrity [confidentiality]\n" };
  expect(whyNot(refusal("Refused", "x"), files(lockdown))).toContain("locked down");
  expect(isConfidential("none [integrity] confidentiality")).toBe(false);
  expect(whyNot("odd", files({}))).toBe("odd");
});
