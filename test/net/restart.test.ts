import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { AttackScene, beginning, goingOn } from "./attack_scene.ts";

/*
 * What a restart forgets of plain servers: their IDs. test/net/lifecycle.test.ts has what it keeps,
 * test/interop/restart.test.ts real stacks.
 */

let scene: AttackScene;
beforeAll(() => {
  scene = new AttackScene();
});
afterEach(() => scene.reset());
afterAll(() => scene?.remove());

const clients = 24;

/** How many of the clients that move after a restart, having used their IDs since, reach their servers. */
async function keptAfterMoves(routing: Record<string, unknown>): Promise<number> {
  await scene.serve("8");
  await scene.start({ routing });
  const connections = [];
  for (let client = 0; client < clients; client++) {
    const { id: socket } = await scene.open();
    const { id, server } = await scene.ask(socket, beginning());
    expect((await scene.ask(socket, goingOn(id))).server).toBe(server);
    connections.push({ socket, id, server });
  }
  expect(new Set(connections.map(({ server }) => server)).size).toBe(scene.servers.length);

  await scene.restart();
  let kept = 0;
  for (const { socket, id, server } of connections) {
    // The second is the first that comes after an answer.
    for (let turn = 0; turn < 2; turn++) expect((await scene.ask(socket, goingOn(id))).server).toBe(server);
    const moved = await scene.open(scene.topology.client.alternate.v4);
    if ((await scene.ask(moved.id, goingOn(id))).server === server) kept++;
  }
  return kept;
}

test("restart: with routing.connectionIdLength the IDs that clients have used since lead to their servers", async () => {
  expect(await keptAfterMoves({ connectionIdLength: 8 })).toBe(clients);
});

test("restart: without it the fallback decides where a client goes that moves", async () => {
  const kept = await keptAfterMoves({});
  // One in three by chance: 20 or more of 24 about once in a million runs.
  expect(kept).toBeLessThan(20);
  expect((await scene.proxy.counters()).totals.flow_readdressed).toBe(0);
});
