import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { BackendCounters } from "../../proxy/counters/read.ts";
import type { CountersReport } from "../../proxy/metrics/report.ts";
import { AttackScene, beginning, goingOn } from "./attack_scene.ts";
import { BACKEND_PORT } from "./proxy.ts";

/*
 * stuck: a client reconnects from the socket of an old connection whose server takes no new ones.
 * test/interop/reconnect.test.ts has it with real stacks.
 */

let scene: AttackScene;
beforeAll(() => {
  scene = new AttackScene();
});
afterEach(() => scene.reset());
afterAll(() => scene?.remove());

const gone = { backends: (rest: string[]) => rest.map((address) => ({ address, port: BACKEND_PORT })) };
const weightless = {
  backends: (rest: string[], old: string) => [
    { address: old, port: BACKEND_PORT, weight: 0 },
    ...rest.map((address) => ({ address, port: BACKEND_PORT })),
  ],
};

test.each([
  ["that left", gone, 8],
  ["that left, with zero-length IDs of its own", gone, 0],
  ["of weight 0", weightless, 8],
  ["of weight 0, with zero-length IDs of its own", weightless, 0],
] as const)("stuck: its server is one %s; the new connections go elsewhere, the old one stays", async (_, change, own) => {
  await scene.serve("8");
  await scene.start();
  const { id: socket } = await scene.open();
  const old = await scene.ask(socket, beginning(randomBytes(own)));
  await scene.ask(socket, goingOn(old.id));
  const rest = scene.servers.filter((address) => address !== old.server);
  await scene.change({ backends: change.backends(rest, old.server) });
  for (let attempt = 0; attempt < 10; attempt++) {
    const { server } = await scene.ask(socket, beginning(randomBytes(own)));
    expect(server).not.toBe(old.server);
    expect((await scene.ask(socket, goingOn(old.id))).server).toBe(old.server);
  }
});

const FIND_LIMIT_MS = 30_000;
const rowOf = ({ backends }: CountersReport, server: string): BackendCounters =>
  backends.find(({ address }) => address === server)!;

/** New clients come until the proxy has found by its traffic alone that a server is down, and gives it nothing new. */
async function untilUnhealthy(server: string): Promise<string | undefined> {
  const name = `${server}:${BACKEND_PORT}`;
  const deadline = performance.now() + FIND_LIMIT_MS;
  for (;;) {
    for (let client = 0; client < 10; client++) {
      const { id } = await scene.open();
      await scene.send(id, Buffer.concat([beginning(), Buffer.alloc(50)]));
      await scene.network.client.close(id);
    }
    await sleep(200);
    const report = await scene.proxy.counters();
    const { state, reason } = report.health!.backends[name]!;
    if (state === "Unhealthy" && rowOf(report, server).weight === 0) return reason;
    if (performance.now() > deadline) throw new Error(`${name} stays ${state}:\n${scene.proxy.output}`);
  }
}

const refused = {
  end: (server: string) => scene.silence([server]),
  back: (server: string) => scene.serve("8", [server]),
};
const silent = { end: (server: string) => scene.suspend(server), back: (server: string) => scene.resume(server) };

test.each([
  ["Refused", refused, 8],
  ["Refused, with zero-length IDs of its own", refused, 0],
  ["Silent", silent, 8],
  ["Silent, with zero-length IDs of its own", silent, 0],
] as const)("stuck: its server is unhealthy, %s; the new connections go elsewhere, the old one stays", async (found, kind, own) => {
  await scene.serve("8");
  // It is not tried again meanwhile.
  await scene.start({ health: { backoff: "1h", passive: { window: "3s" } } });
  const { id: socket } = await scene.open();
  const old = await scene.ask(socket, beginning(randomBytes(own)));
  await scene.ask(socket, goingOn(old.id));
  await kind.end(old.server);
  expect(found).toContain(await untilUnhealthy(old.server));

  const before = rowOf(await scene.proxy.counters(), old.server);
  const attempts = 10;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const young = await scene.ask(socket, beginning(randomBytes(own)));
    expect(young.server).not.toBe(old.server);
    expect((await scene.ask(socket, goingOn(young.id))).server).toBe(young.server);
    await scene.send(socket, goingOn(old.id));
  }
  const growth = async (): Promise<object> => {
    const { forwarded, flowsCreated } = rowOf(await scene.proxy.counters(), old.server);
    return { forwarded: forwarded - before.forwarded, flowsCreated: flowsCreated - before.flowsCreated };
  };
  await expect.poll(growth).toEqual({ forwarded: attempts, flowsCreated: 0 });
  await kind.back(old.server);
  expect((await scene.ask(socket, goingOn(old.id))).server).toBe(old.server);
});
