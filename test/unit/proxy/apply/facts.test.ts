import { describe, expect, it } from "vitest";
import type { NativeBackend, NativeEndpoint, NativeStatus } from "../../../../proxy/apply/addon.ts";
import { countServingBackends, findUnreachable, startFacts } from "../../../../proxy/apply/facts.ts";
import { fakePlan, fakeStatus } from "./fakes.ts";

const ENDPOINT = fakeStatus().endpoints[0] as NativeEndpoint;
const ENOUGH_FILES = 1_048_576;
const facts = (status: ReturnType<typeof fakeStatus>, plan = fakePlan(), limit = ENOUGH_FILES) =>
  startFacts(status, plan, limit);
const warnings = (status: ReturnType<typeof fakeStatus>, asked?: number): string[] =>
  facts(status, fakePlan({ upstreamSocketMaxAsked: asked }))
    .filter(({ level }) => level === "warn")
    .map(({ message }) => message);

describe("startFacts", () => {
  it("warns of nothing where everything was granted", () => {
    expect(warnings(fakeStatus(), 1000)).toEqual([]);
  });

  it("says what holds in the order in which a datagram meets it", () => {
    expect(facts(fakeStatus(), fakePlan({ mode: "Decoupled" })).map(({ message }) => message)).toEqual([
      "listening on 0.0.0.0:4433",
      "receive buffer of 0.0.0.0:4433: 8388608 bytes granted",
      "mode Decoupled: 2 workers, up to 64 datagrams per call",
      "steering level KernelHash",
      "room for 50000 flows in 67108864 bytes",
      "upstream level ConnectedSocketPool, at most 1000 sockets",
      "receive buffer of upstream sockets: 8388608 bytes granted",
      "1 backend",
      "backends are reached from 10.0.0.1",
    ]);
  });

  it("warns of a lower steering level with the reason", () => {
    const steeringReason = "the kernel refused BPF: it needs CAP_BPF and CAP_NET_ADMIN";
    const [text] = warnings(fakeStatus({ steeringReason }));
    expect(text).toContain("steering level KernelHash");
    expect(text).toContain(steeringReason);
    expect(warnings(fakeStatus({ steering: "ConnectionId" }))).toEqual([]);
  });

  it("compares the receive buffer with the doubled value that the kernel reports", () => {
    const warned = (receiveBufferEffective: number) =>
      warnings(fakeStatus({ endpoints: [{ ...ENDPOINT, receiveBufferEffective }] })).length;
    expect([16_777_216, 16_777_215, 8_388_608].map(warned)).toEqual([0, 1, 1]);
  });

  it("warns of a clamped receive buffer of the upstream sockets, too", () => {
    const [text] = warnings(fakeStatus({ upstreamReceiveBufferEffective: 425_984 }));
    expect(text).toContain("receive buffer of upstream sockets: asked 8388608 bytes, the kernel granted 212992");
  });

  it("warns of a clamped receive buffer with both remedies", () => {
    const clamped = fakeStatus({ endpoints: [{ ...ENDPOINT, receiveBufferEffective: 425_984 }] });
    const [text] = warnings(clamped);
    expect(text).toContain("asked 8388608 bytes, the kernel granted 212992");
    expect(text).toContain("net.core.rmem_max=8388608");
    expect(text).toContain("CAP_NET_ADMIN");
  });

  it("says why an optional endpoint is not listening, without warning of it", () => {
    const status = fakeStatus({ endpoints: [{ ...ENDPOINT, skipped: "no IPv6 on this host" }] });
    expect(facts(status)[0]?.message).toBe("not listening on 0.0.0.0:4433: no IPv6 on this host");
    expect(warnings(status)).toEqual([]);
  });

  it("warns where flows may take the open files that all else needs, with the numbers that would do", () => {
    const plan = fakePlan({ openFilesNeeded: 200 });
    const warned = (limit: number) => facts(fakeStatus(), plan, limit).filter(({ level }) => level === "warn");
    expect(warned(1200)).toEqual([]);
    const [fact] = warned(1199);
    expect(fact?.fields).toEqual({ openFileLimit: 1199, openFilesNeeded: 200, upstreamSocketMax: 1000 });
    expect(fact?.message).toContain("a limit on open files of 200 and one more for each flow");
    expect(fact?.message).toContain("let flows have at most 999 by spec.dataPlane.upstreamSockets");
  });

  it("warns where fewer upstream sockets are possible than asked for", () => {
    const status = fakeStatus({ upstreamSocketBound: "OpenFiles" });
    expect(warnings(status, 1001)[0]).toMatch(/at most 1000 sockets instead of 1001.*ulimit -n/);
  });

  it("names the bound of ports where that is the tighter one", () => {
    const status = fakeStatus({ upstreamSocketBound: "EphemeralPorts" });
    expect(warnings(status, 1001)[0]).toMatch(/1000 sockets instead of 1001.*ip_local_port_range.*widen/);
  });

  it("warns of backends that this host has no way to, and of a kernel that does not tell of changes", () => {
    const [backend] = fakeStatus().backends as [NativeBackend];
    const away = { ...backend, slot: 1, port: 4434, sources: [] };
    expect(findUnreachable(fakeStatus({ backends: [backend, away, { ...away, weight: 0 }] }))).toEqual([
      "10.0.0.7:4434",
    ]);
    expect(warnings(fakeStatus({ backends: [backend, away] }))[0]).toMatch(/toward 1 of 2 backends, 10\.0\.0\.7:4434/);
    expect(warnings(fakeStatus({ networkEvents: false }))[0]).toContain("every second");
  });

  it("warns of zero backends, also where all have weight 0 or left the contract", () => {
    const backend = { slot: 0, address: "10.0.0.7", port: 1, weight: 1, active: true, sources: ["10.0.0.1"] };
    for (const backends of [[], [{ ...backend, weight: 0 }], [{ ...backend, active: false }]]) {
      const status = fakeStatus({ backends });
      expect(countServingBackends(status)).toBe(0);
      expect(warnings(status)[0]).toContain("healthy but not ready");
    }
  });
});

describe("the clock", () => {
  const messages = (clock: NativeStatus["clock"]): string[] =>
    startFacts(fakeStatus({ clock }), fakePlan())
      .map(({ message }) => message)
      .filter((message) => message.includes("clock"));

  it("is no matter where it is fast", () => {
    expect(messages({ readNs: 25, timedOneIn: 32, coarse: false })).toEqual([]);
  });

  it("that is slow is said, with what it costs", () => {
    const [message] = messages({ readNs: 900, timedOneIn: 1024, coarse: true });
    expect(message).toContain("reading the clock takes 900 ns on this host: datagrams of one batch in 1024 are timed");
  });
});
