import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type HttpServer, listenHttp } from "../../../../process/http_server.ts";
import { type ProxyView, proxyRoutes } from "../../../../proxy/metrics/routes.ts";
import { fakeReport } from "./reports.ts";

const LOOPBACK = { address: "127.0.0.1", port: 0 };

let view: ProxyView;
let server: HttpServer;

const request = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${server.address.port}${path}`, init);

beforeEach(async () => {
  view = { report: () => fakeReport(), findUnhealthy: () => undefined, findNotReady: () => undefined };
  server = await listenHttp(
    LOOPBACK,
    proxyRoutes(() => view),
  );
});

afterEach(async () => {
  await server.close();
});

describe("the HTTP endpoint", () => {
  it("serves Prometheus text with its content type", async () => {
    const response = await request("/metrics?name=x");
    expect(response.headers.get("content-type")).toContain("text/plain; version=0.0.4");
    expect(await response.text()).toContain('quicproxy_receive_datagrams_total{worker="0"} 0');
  });

  it("serves the reading as JSON", async () => {
    const body = await (await request("/counters")).json();
    expect(body).toMatchObject({
      generation: 1,
      workers: [{ counters: { receive_datagrams: 0 }, gauges: { flows: 0 } }, {}],
      totals: { forward_sent: 0 },
      backends: [{ address: "10.0.0.7", port: 4433, active: true, weight: 1, forwarded: 0, flows: 0 }],
      endpoints: [{ address: "0.0.0.0", receiveBufferEffective: 16_777_216 }],
      status: { upstreamLevel: "ConnectedSocketPool", flowCapacity: 50_000 },
    });
  });

  it("answers 500 or 503 with the reason", async () => {
    view = { report: () => fakeReport(), findUnhealthy: () => "worker 1 is late", findNotReady: () => "no backend" };
    const health = await request("/healthz");
    expect([health.status, await health.text()]).toEqual([500, "worker 1 is late\n"]);
    const ready = await request("/readyz");
    expect([ready.status, await ready.text()]).toEqual([503, "no backend\n"]);
  });

  it("answers 500 where the reading fails, and goes on", async () => {
    const failing = () => {
      throw new Error("the data plane is stopped");
    };
    view = { report: failing, findUnhealthy: () => undefined, findNotReady: () => undefined };
    expect((await request("/metrics")).status).toBe(500);
    expect((await request("/healthz")).status).toBe(200);
  });

  it.each(["/", "/metrics/", "/constructor", "/__proto__", "//"])("answers 404 on %s", async (path) => {
    const response = await request(path);
    expect(response.status).toBe(404);
    expect(await response.text()).toContain("/metrics /healthz /readyz /counters");
  });

  it("answers 405 to what would change something, and HEAD without a body", async () => {
    for (const method of ["POST", "PUT", "DELETE"]) {
      const response = await request("/metrics", { method });
      expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    }
    const head = await request("/counters", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect(Number(head.headers.get("content-length"))).toBeGreaterThan(100);
  });
});
