import { spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { Network } from "./network.ts";
import type { Place } from "./place.ts";
import { manifest, type ProxyPlan } from "./proxy.ts";

/* quicproxy-probe, which the kubelet starts, beside a proxy that it asks. */

const probe = resolve(import.meta.dirname, "../../build/quicproxy-probe");

let network: Network;
let place: Place;
let socket: string;

beforeAll(() => {
  network = new Network();
});
afterAll(() => network.remove());
beforeEach(() => {
  place = network.host.place(manifest({ backends: [network.service()], metrics: { port: 9464 } }));
  socket = join(place.directory, "health.sock");
});
afterEach(() => network.host.clear("SIGKILL"));

const start = (until: ProxyPlan["until"] = "ready") => network.host.start(place, { healthSocket: socket, until });

function ask(path: string, waitMs = 500): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(probe, [socket, path, String(waitMs)], { encoding: "utf8" });
  return { status, said: stdout + stderr };
}

test("it is silent about a proxy that is well, and says why another is not", async () => {
  expect(ask("/healthz")).toEqual({
    status: 1,
    said: "the proxy does not answer on its health socket: No such file or directory\n",
  });
  const running = await start();
  expect([ask("/healthz"), ask("/readyz")]).toEqual(Array(2).fill({ status: 0, said: "" }));
  place.write(manifest({ backends: [{ ...network.service(), weight: 0 }] }));
  await expect.poll(() => ask("/readyz")).toEqual({ status: 1, said: "no backend with a weight above zero\n" });
  expect(ask("/healthz")).toEqual({ status: 0, said: "" });
  await running.stop("SIGKILL");
  expect(ask("/healthz")).toEqual({
    status: 1,
    said: "the proxy does not answer on its health socket: Connection refused\n",
  });
  await start("healthy");
  expect(ask("/healthz")).toEqual({ status: 0, said: "" });
});

test("it does not wait for a proxy that stands still", async () => {
  const running = await start();
  running.process.kill("SIGSTOP");
  const before = Date.now();
  expect(ask("/healthz", 300)).toEqual({ status: 1, said: "the proxy does not answer: Connection timed out\n" });
  expect(Date.now() - before).toBeLessThan(1000);
  running.process.kill("SIGCONT");
  expect((await running.stop()).code).toBe(0);
});

test("where metrics are off the proxy can be asked all the same", async () => {
  place.write(manifest({ backends: [network.service()], metrics: { port: 0 } }));
  const launched = network.host.launch(place.runArguments({ healthSocket: socket }));
  await expect.poll(() => ask("/readyz"), { timeout: 20_000 }).toEqual({ status: 0, said: "" });
  expect((await launched.stop()).code).toBe(0);
});

test.each([
  [["one"], "usage: quicproxy-probe <socket> <path> <milliseconds>"],
  [["s", "/healthz", "0"], "0: allowed: milliseconds from 1 to 60000"],
  [["s".repeat(108), "/healthz", "1"], "this path is too long for a socket"],
])("%j is refused", (args, words) => {
  const { status, stdout } = spawnSync(probe, args, { encoding: "utf8" });
  expect(status).toBe(1);
  expect(stdout).toContain(words);
});
