import { Gauge, Registry } from "prom-client";
import { afterEach, beforeEach, expect, it } from "vitest";
import { problemsOf } from "../../../operator/check.ts";
import { type Health, operatorRoutes } from "../../../operator/routes.ts";
import { type HttpServer, listenHttp } from "../../../process/http_server.ts";

let server: HttpServer;
let unhealthy: string | undefined;
let notReady: string | undefined;
let notLeading: string | undefined;

const request = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${server.address.port}${path}`, init);

beforeEach(async () => {
  [unhealthy, notReady, notLeading] = [undefined, undefined, undefined];
  const registry = new Registry();
  new Gauge({ name: "depth", help: "Keys that wait.", registers: [registry] }).set(3);
  const health: Health = { unhealthy: () => unhealthy, notReady: () => notReady, notLeading: () => notLeading };
  server = await listenHttp({ address: "127.0.0.1", port: 0 }, operatorRoutes(registry, health));
});
afterEach(() => server.close());

it("serves Prometheus text with its content type, and to HEAD without a body", async () => {
  const response = await request("/metrics");
  expect(response.headers.get("content-type")).toContain("text/plain; version=0.0.4");
  expect(await response.text()).toContain("depth 3");
  expect(await (await request("/metrics", { method: "HEAD" })).text()).toBe("");
});

it("says why it is not healthy with 500, and why not ready with 503", async () => {
  expect([(await request("/healthz")).status, (await request("/readyz")).status]).toEqual([200, 200]);
  [unhealthy, notReady] = ["stuck", "pods: the cache was never filled"];
  const [health, ready] = [await request("/healthz"), await request("/readyz")];
  expect([health.status, await health.text()]).toEqual([500, "stuck\n"]);
  expect([ready.status, await ready.text()]).toEqual([503, "pods: the cache was never filled\n"]);
});

it("is ready as a follower, and leads only as a leader that is ready", async () => {
  const statuses = async () => [(await request("/readyz")).status, (await request("/leading")).status];
  expect(await statuses()).toEqual([200, 200]);
  notLeading = "waits for the lease";
  expect(await statuses()).toEqual([200, 503]);
  [notLeading, notReady] = [undefined, "pods: the cache was never filled"];
  expect(await statuses()).toEqual([503, 503]);
});

it("is checked at the leader: a follower's answer is none", async () => {
  const served = ["quicproxies", "quicproxyclasses", "quicproxynodes", "quicproxybackends", "quicproxykeys"];
  const client = { resourceNames: async () => served };
  const place = { host: "127.0.0.1", port: String(server.address.port) };
  expect(await problemsOf(place, client)).toEqual([]);
  notLeading = "waits for the lease";
  expect(await problemsOf(place, client)).toEqual([
    `the operator at 127.0.0.1 port ${place.port}: answers 503: waits for the lease`,
  ]);
});

it("changes nothing: other methods are refused", async () => {
  expect((await request("/metrics", { method: "POST" })).status).toBe(405);
  expect((await request("/debug")).status).toBe(404);
});
