import { describe, expect, it } from "vitest";
import { COUNTERS } from "../../../../proxy/counters/names.generated.ts";
import { ALL_DEFINITIONS } from "../../../../proxy/metrics/definitions.ts";
import { Metrics } from "../../../../proxy/metrics/registry.ts";
import type { WorkerLoad } from "../../../../proxy/timing/load.ts";
import type { FakeRegion } from "../counters/region.ts";
import { fakeBackends, fakeHealth, fakeReport } from "./reports.ts";

const linesOf = (text: string, name: string): string[] => text.split("\n").filter((line) => line.startsWith(name));

const OVERLOADED: WorkerLoad = {
  busyShare: 1,
  rho: 1.25,
  serviceRate: 40_000,
  surplusPerSecond: 10_000,
  overflowSeconds: 0.4,
  bufferSeconds: 1.8,
};

describe("Metrics of load", () => {
  it("are of each thread, in seconds and ratios", async () => {
    const receiver = { busyShare: 0.25, rho: 0.5 };
    const fill = (region: FakeRegion): void => {
      region.setBusy(1, 2.5e9);
      region.setBusy(1, 5e8, "receiver");
    };
    const report = fakeReport({ fill, state: { mode: "Decoupled" } });
    const text = await new Metrics().render({ ...report, load: [{ ...OVERLOADED, receiver }] });
    expect(text).toContain('quicproxy_thread_load_ratio{worker="0",thread="worker"} 1.25');
    expect(text).toContain('quicproxy_thread_load_ratio{worker="0",thread="receiver"} 0.5');
    expect(text).toContain('quicproxy_thread_busy_ratio{worker="0",thread="worker"} 1\n');
    expect(text).toContain('quicproxy_thread_busy_seconds_total{worker="1",thread="worker"} 2.5');
    expect(text).toContain('quicproxy_thread_busy_seconds_total{worker="1",thread="receiver"} 0.5');
    expect(linesOf(text, "quicproxy_thread_service_rate_datagrams_per_second{")).toEqual([
      'quicproxy_thread_service_rate_datagrams_per_second{worker="0",thread="worker"} 40000',
    ]);
    expect(text).toContain('quicproxy_worker_overflow_seconds{worker="0"} 0.4');
    expect(text).toContain('quicproxy_worker_buffer_seconds{worker="0"} 1.8');
    expect(text).toContain("quicproxy_clock_read_seconds 2.5e-8");
  });

  it("name no receiver and no overflow where there is none, also after there was", async () => {
    const metrics = new Metrics();
    await metrics.render({ ...fakeReport(), load: [OVERLOADED] });
    const text = await metrics.render(fakeReport());
    expect(linesOf(text, "quicproxy_worker_overflow_seconds")).toEqual([]);
    expect(text).not.toContain('thread="receiver"');
    expect(text).toContain('quicproxy_thread_load_ratio{worker="0",thread="worker"} 0\n');
  });

  it("hold histograms by direction, cumulative and in seconds", async () => {
    const fill = (region: FakeRegion): void => {
      region.setTiming(0, "forwardService", 6400, { 0: 1, 1: 2, 77: 1 });
      region.setTiming(0, "returnResidence", 1e9, { 40: 3 });
    };
    const metrics = new Metrics();
    await metrics.render(fakeReport({ fill }));
    const text = await metrics.render(fakeReport({ fill }));
    const service = linesOf(text, "quicproxy_service_seconds").filter((line) =>
      line.includes('worker="0",direction="forward"'),
    );
    expect(service.slice(0, 2)).toEqual([
      'quicproxy_service_seconds_bucket{le="2.56e-7",worker="0",direction="forward"} 1',
      'quicproxy_service_seconds_bucket{le="5.12e-7",worker="0",direction="forward"} 3',
    ]);
    expect(service.slice(-3)).toEqual([
      'quicproxy_service_seconds_bucket{le="+Inf",worker="0",direction="forward"} 4',
      'quicproxy_service_seconds_sum{worker="0",direction="forward"} 0.0000064',
      'quicproxy_service_seconds_count{worker="0",direction="forward"} 4',
    ]);
    expect(text).toContain('quicproxy_residence_seconds_sum{worker="0",direction="return"} 1\n');
    expect(text).toContain('quicproxy_residence_seconds_count{worker="0",direction="return"} 3');
  });
});

describe("Metrics", () => {
  it("shows every counter per worker under its documented name", async () => {
    const report = fakeReport({
      fill: (region) => {
        for (const [index, { name }] of COUNTERS.entries()) region.set(1, name, index + 1);
      },
    });
    const text = await new Metrics().render(report);
    for (const [index, { name, help }] of COUNTERS.entries()) {
      expect(text).toContain(`# HELP quicproxy_${name}_total ${help}\n# TYPE quicproxy_${name}_total counter`);
      expect(text).toContain(`quicproxy_${name}_total{worker="0"} 0`);
      expect(text).toContain(`quicproxy_${name}_total{worker="1"} ${index + 1}`);
    }
  });

  it("shows every other documented metric, and the process metrics", async () => {
    const text = await new Metrics().render({ ...fakeReport(), load: [OVERLOADED], health: fakeHealth() });
    for (const { name, type } of ALL_DEFINITIONS) expect(text).toContain(`# TYPE ${name} ${type}\n${name}`);
    expect(text).toContain("process_cpu_seconds_total");
  });

  it("names the levels and the state", async () => {
    const text = await new Metrics().render(
      fakeReport({ state: { staleReason: "spec: is missing" }, notReadyReason: "the proxy is stopping" }),
    );
    expect(linesOf(text, "quicproxy_info{")).toEqual([
      'quicproxy_info{name="edge",namespace="media",version="1.2.3",upstream="ConnectedSocketPool",steering="KernelHash"} 1',
    ]);
    expect(text).toContain("quicproxy_contract_stale 1");
    expect(text).toContain("quicproxy_ready 0");
    expect(text).toContain('quicproxy_contract_reload_total{result="applied"} 2');
    expect(text).toContain('quicproxy_socket_receive_buffer_effective_bytes{endpoint="0.0.0.0:4433"} 16777216');
  });

  it("sums a backend that has two slots, and gives weight 0 to one that only drains", async () => {
    const [first, second] = fakeBackends(2);
    const backends = [
      { ...first!, active: false, weight: 3 },
      { ...first!, slot: 1, weight: 5 },
      { ...second!, slot: 2, active: false },
    ];
    const fill = (region: Parameters<NonNullable<Parameters<typeof fakeReport>[0]>["fill"] & object>[0]): void => {
      region.setBackend(0, 0, { forwarded: 10 });
      region.setBackend(1, 1, { forwarded: 5 });
    };
    const text = await new Metrics().render(fakeReport({ fill, status: { backends } }));
    expect(text).toContain('quicproxy_backend_forwarded_total{backend="10.0.0.0:4433"} 15');
    expect(text).toContain('quicproxy_backend_weight{backend="10.0.0.0:4433"} 5');
    expect(text).toContain('quicproxy_backend_weight{backend="10.0.0.1:4433"} 0');
    expect(text).toContain("\nquicproxy_backends 1\n");
  });

  it("forgets a backend that is gone and never adds one scrape to the next", async () => {
    const metrics = new Metrics();
    const fill = (region: { set(worker: number, name: "forward_sent", value: number): void }): void =>
      region.set(0, "forward_sent", 7);
    await metrics.render(fakeReport({ fill, status: { backends: fakeBackends(2) } }));
    const text = await metrics.render(fakeReport({ fill, status: { backends: fakeBackends(1) } }));
    expect(linesOf(text, "quicproxy_backend_forwarded_total{")).toHaveLength(1);
    expect(text).toContain('quicproxy_forward_sent_total{worker="0"} 7');
  });

  it("leaves out the sockets of an endpoint that does not listen", async () => {
    const report = fakeReport();
    const [endpoint] = report.endpoints;
    const text = await new Metrics().render({ ...report, endpoints: [{ ...endpoint!, skipped: "no IPv6" }] });
    expect(linesOf(text, "quicproxy_socket_")).toEqual([]);
  });
});
