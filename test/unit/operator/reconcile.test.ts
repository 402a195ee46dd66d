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
let recorded: { readonly type: string; readonly reason: string }[];
const said: string[] = [];
const say = (_: unknown, text: string) => void said.push(text);

beforeEach(() => {
  api = new EchoApi();
  world = new AssumingWorld({ nodes: [node("node-1")], proxies: [proxy("edge")], pods: [pod("node-1")] });
  wallMs = FRESH.nowMs;
  recorded = [];
  steadyMs = 1000;
  const client = api.client();
  const now = () => wallMs;
  const events = new Events({
    client: {
      create: async (_, event) => void recorded.push(event as never) as never,
      mergePatch: async () => ({}) as never,
    },
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
  const appliedBackends = world.backendObject("media", "edge")?.index?.generation;
  const applied = { appliedGeneration: object!.generation, appliedBackends };
  const status = { ready: true, ...applied, workers: 1, rates } as never;
  world.parts.nodeObjects = [{ ...object!, status }];
}

describe("a QuicProxy that was made a moment ago", () => {
  const warnings = () => recorded.filter(({ type }) => type === "Warning").map(({ reason }) => reason);
  const create = (spec: object = {}): void => {
    world.parts.proxies = [proxy("edge", spec, { createdAt: new Date(FRESH.nowMs).toISOString() })];
    world.parts.pods = [pod("node-1", { ready: false })];
  };

  it("that comes up is told of without a warning", async () => {
    create();
    expect((await reconcile()).againMs).toBeUndefined();
    report(0);
    steadyMs += 1000;
    expect((await reconcile()).againMs).toBe(59_000);
    world.parts.pods = [pod("node-1")];
    steadyMs += 5000;
    await reconcile();
    steadyMs += 60_000;
    await reconcile();
    expect(warnings()).toEqual([]);
    expect(recorded.map(({ reason }) => reason)).toContain("Ready");
  });

  it("that does not come up is warned of once it has had its time", async () => {
    create({ backends: { static: [] } });
    world.parts.pods = [pod("node-1")];
    expect((await reconcile()).againMs).toBe(60_000);
    expect(warnings()).toEqual([]);
    steadyMs += 60_000;
    await reconcile();
    expect(warnings()).toEqual(["NoBackends"]);
    await reconcile();
    expect(warnings()).toEqual(["NoBackends"]);
  });

  it("is warned of what does not pass by itself", async () => {
    create();
    world.parts.pods = [pod("node-1", { ready: false, trouble: "ErrImagePull: not found" })];
    await reconcile();
    expect(warnings()).toEqual(["PodNotRunning"]);
  });
});

it("a QuicProxy that has been there for long is warned of at once", async () => {
  world.parts.proxies = [proxy("edge", { backends: { static: [] } }, { createdAt: "2020-01-01T00:00:00Z" })];
  await reconcile();
  expect(recorded.map(({ type, reason }) => `${type} ${reason}`)).toContain("Warning NoBackends");
});

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
