import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  type HealthServer,
  type HealthView,
  serveHealth,
  viewOnceStarted,
} from "../../../../proxy/metrics/health_socket.ts";

let directory: string;
let socketPath: string;
let server: HealthServer | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "quicproxy-health-"));
  socketPath = join(directory, "health.sock");
});

afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(directory, { recursive: true });
});

const ask = (path: string) =>
  new Promise((resolve, reject) => {
    const asked = request({ socketPath, path }, async (response) => {
      resolve({ status: response.statusCode, text: await text(response) });
    });
    asked.once("error", reject).end();
  });

it("answers health and readiness with the reason, and nothing else", async () => {
  server = await serveHealth(socketPath, { findUnhealthy: () => "worker 1 is late", findNotReady: () => undefined });
  expect(await ask("/healthz")).toEqual({ status: 500, text: "worker 1 is late\n" });
  expect(await ask("/readyz")).toEqual({ status: 200, text: "ok\n" });
  expect(await ask("/metrics")).toMatchObject({ status: 404 });
});

it("takes the place of a socket that a killed process has left", async () => {
  await writeFile(socketPath, "");
  server = await serveHealth(socketPath, { findUnhealthy: () => undefined, findNotReady: () => undefined });
  expect(await ask("/healthz")).toEqual({ status: 200, text: "ok\n" });
});

it("is well but not ready while there is nothing to ask yet", async () => {
  let view: HealthView | undefined;
  server = await serveHealth(
    socketPath,
    viewOnceStarted(() => view),
  );
  expect(await ask("/healthz")).toEqual({ status: 200, text: "ok\n" });
  expect(await ask("/readyz")).toEqual({ status: 503, text: "the proxy is starting\n" });
  view = { findUnhealthy: () => undefined, findNotReady: () => undefined };
  expect(await ask("/readyz")).toEqual({ status: 200, text: "ok\n" });
});

it("names the path where nothing can be made", async () => {
  const path = join(directory, "missing", "health.sock");
  const view = { findUnhealthy: () => undefined, findNotReady: () => undefined };
  await expect(serveHealth(path, view)).rejects.toThrow(`health on ${path}: `);
});
