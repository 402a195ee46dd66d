import { beforeEach, describe, expect, it } from "vitest";
import { Events } from "../../../kube/events.ts";
import { RESOURCES } from "../../../kube/resources.ts";
import { Reconciler } from "../../../operator/reconcile.ts";
import { AssumingWorld, EchoApi } from "./echo_api.ts";
import { FRESH, node, POD_OPTIONS, pod, proxy } from "./worlds.ts";

let api: EchoApi;
let world: AssumingWorld;
let wallMs: number;
let steadyMs: number;
let reconciler: Reconciler;
const said: string[] = [];
const say = (_: unknown, text: string) => void said.push(text);

beforeEach(() => {
  api = new EchoApi();
  world = new AssumingWorld({ nodes: [node("node-1")], proxies: [proxy("edge")], pods: [pod("node-1")] });
  wallMs = FRESH.nowMs;
  steadyMs = 1000;
  const client = api.client();
  const now = () => wallMs;
  const events = new Events({
    client: { create: async (_, event) => event },
    ...{ resource: RESOURCES.quicProxies, controller: "test", instance: "test", now },
    onError: (error) => expect.fail(error.message),
  });
  reconciler = new Reconciler({
    ...{ client, caches: world, events, now },
    steadyMs: () => steadyMs,
    pods: POD_OPTIONS,
  });
});

async function reconcile(): Promise<{ againMs: number | undefined; writes: string[] }> {
  api.writes.length = 0;
  const againMs = await reconciler.reconcile("media/edge", { info: say, warn: say } as never);
  return { againMs, writes: [...api.writes] };
}

function report(droppedPerSecond: number): void {
  const [object] = world.parts.nodeObjects;
  const rates = { droppedPerSecond };
  const status = { ready: true, appliedGeneration: object!.generation, workers: 1, rates } as never;
  world.parts.nodeObjects = [{ ...object!, status }];
}

describe("numbers of the status", () => {
  it("are written at most every ten seconds, whatever becomes of the wall clock", async () => {
    await reconcile();
    report(1);
    expect((await reconcile()).writes).toEqual(["PATCH edge"]);
    report(2);
    steadyMs += 4000;
    wallMs -= 3_600_000;
    expect(await reconcile()).toEqual({ againMs: 6000, writes: [] });
    steadyMs += 6000;
    expect(await reconcile()).toEqual({ againMs: undefined, writes: ["PATCH edge"] });
  });
});
