import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { insideNamespace } from "../../proxy/lab/namespace.ts";
import { Network } from "./network.ts";
import { octets, shortHeader } from "./packets.ts";
import { untilTrue } from "./process.ts";
import { messagesOf } from "./program.ts";
import { manifest } from "./proxy.ts";

/* A port for metrics that another program of the host has: no reason not to forward. */

const TAKEN = 10_250;

let network: Network;
let holder: ChildProcess;

beforeAll(async () => {
  network = new Network();
  await network.openEcho();
});
afterAll(() => network.remove());
afterEach(async () => {
  holder.kill("SIGKILL");
  await network.host.clear("SIGKILL");
  await network.forget();
});

/** Until it is killed. */
async function hold(port: number): Promise<void> {
  const program = `import socket, sys\ntcp = socket.create_server(("", ${port}))\nprint("bound", flush=True)\nsys.stdin.read()`;
  const [file, args] = insideNamespace(network.topology.edge.namespace, ["/usr/bin/python3", "-c", program]);
  holder = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
  await once(holder.stdout!, "data");
}

const on = (port: number): string => manifest({ backends: [network.service()], metrics: { port } });

async function roundTrip(): Promise<void> {
  const client = await network.openClient();
  await network.send(client, shortHeader(octets(8, "metrics")));
  expect(await network.backend.take(1)).toHaveLength(1);
  await network.client.take(1);
  await network.client.close(client);
}

test("it starts and forwards, says so, and serves metrics once the port is free", async () => {
  await hold(9464);
  const place = network.host.place(on(9464));
  const launched = network.host.launch(place.runArguments());
  await untilTrue("it says so", () => launched.output.includes("another process has this TCP port"), 20);
  expect(messagesOf(launched.output)).toContainEqual(expect.stringContaining("forwarding goes on"));
  await roundTrip();
  holder.kill("SIGKILL");
  await untilTrue("it has the port", () => launched.output.includes("metrics and health on http://127.0.0.1:9464"), 20);
  expect((await launched.stop()).code).toBe(0);
});

test("a reload onto it is applied, and metrics are answered where they were", async () => {
  await hold(TAKEN);
  const place = network.host.place(on(9464));
  const running = await network.host.start(place);
  place.write(on(TAKEN));
  await untilTrue("it says so", () => running.output.includes("another process has this TCP port"), 20);
  await roundTrip();
  const report = await running.counters();
  expect(report).toMatchObject({ staleReason: "", ready: true });
  expect(report.metricsProblem).toBe(
    `metrics: TCP 127.0.0.1:${TAKEN} is taken by another program; set spec.metrics.port`,
  );
});
