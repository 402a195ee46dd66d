import { describe, expect, it } from "vitest";
import { unavailableMax } from "../../../../operator/rollout/step.ts";
import { acts, NOW, record, replaced, rolloutNode, said, step, TARGET } from "./nodes.ts";

const THREE = ["node-1", "node-2", "node-3"];
const IMAGE = "ImagePullBackOff: no such image";

describe("a rollout", () => {
  it("has nothing to do where every pod is as it should be, and asks not to be called again", () => {
    expect(step(THREE.map((name) => replaced(name)))).toEqual({ actions: [], progress: undefined, againMs: undefined });
  });

  it("replaces one, and the next once that is well", () => {
    const first = step(THREE.map((name) => rolloutNode(name)));
    expect(acts(first)).toEqual(["replace node-1"]);
    expect(said(first)).toBe("RollingOut: rolling out: 0 of 3 nodes done");
    const second = step([replaced("node-1"), rolloutNode("node-2"), rolloutNode("node-3")]);
    expect(acts(second)).toEqual(["replace node-2"]);
    expect(said(second)).toBe("RollingOut: rolling out: 1 of 3 nodes done");
  });

  it.each([
    ["there is none yet", { pod: undefined }, "waits for a pod: the DaemonSet controller has made none"],
    [
      "the former one ends",
      { pod: rolloutNode("node-1", { terminating: true, ready: false }).pod },
      "waits for pod edge-node-1 to end",
    ],
  ])("waits where %s", (_, changes, why) => {
    const waiting = step([
      replaced("node-1", {}, { ...changes, record: record({ replacedAtMs: NOW - 1000 }) }),
      rolloutNode("node-2"),
    ]);
    expect([acts(waiting), said(waiting)]).toEqual([[], `RollingOut: rolling out: 0 of 2 nodes done; node-1: ${why}`]);
    expect(waiting.againMs).toBe(119_000);
  });

  it.each([
    ["does not run", { started: false, ready: false }, {}, /waits for pod edge-node-1 to start$/],
    [
      "is not ready",
      { ready: false },
      { status: { ready: false, appliedGeneration: 7, reason: "NotReady", message: "no route" } },
      /to become ready: no route$/,
    ],
    [
      "reports nothing new",
      {},
      { status: { ready: false, reason: "Stopping", message: "the proxy is stopping" } },
      /to report that it is ready$/,
    ],
    [
      "runs something else",
      {},
      { generation: 8 },
      /waits for the proxy in pod edge-node-1 to run the present settings$/,
    ],
    ["is ready for 3 s only", { changedAtMs: NOW - 3000 }, {}, /is watched for 10 s$/],
    ["started again just now", { changedAtMs: NOW - 3000, restarts: 2 }, {}, /is watched for 10 s after 2 restarts$/],
  ])("waits for a new pod that %s", (_, pod, changes, why) => {
    const waiting = step([replaced("node-1", pod, changes), rolloutNode("node-2")]);
    expect(acts(waiting)).toEqual([]);
    expect(said(waiting)).toMatch(/^RollingOut: rolling out: 0 of 2 nodes done; node-1: /);
    expect(said(waiting)).toMatch(why);
    expect(waiting.againMs).toBeGreaterThan(0);
  });

  it("halts where the new pod cannot run, says so, and goes on once it does", () => {
    const halted = step([replaced("node-1", { ready: false, started: false, trouble: IMAGE }), rolloutNode("node-2")]);
    expect([acts(halted), said(halted)]).toEqual([
      [],
      `RolloutHalted: rollout halted, 0 of 2 nodes done; node-1: pod edge-node-1: ${IMAGE}; 1 wait with the pods they had; ` +
        "mend it or change the spec back, and the rollout goes on",
    ]);
    expect(acts(step([replaced("node-1"), rolloutNode("node-2")]))).toEqual(["replace node-2"]);
  });

  it("halts where it does not get ready in time, or ends again and again", () => {
    const old = { createdAtMs: NOW - 130_000 };
    expect(said(step([replaced("node-1", { ready: false, ...old }), rolloutNode("node-2")]))).toMatch(/^RolloutHalted/);
    const restarting = { restarts: 9, changedAtMs: NOW - 2000, ...old };
    expect(said(step([replaced("node-1", restarting), rolloutNode("node-2")]))).toMatch(
      /^RolloutHalted: .* after 9 restarts/,
    );
  });

  it("halts where it drops what the one before it did not", () => {
    const rates = {
      receivedPerSecond: 1000,
      forwardedPerSecond: 500,
      returnedPerSecond: 0,
      droppedPerSecond: 500,
      droppedTotal: 9,
      flows: 1,
    };
    const status = { ready: true, appliedGeneration: 7, rates };
    const old = { createdAtMs: NOW - 61_000 };
    const with_ = (dropShare: number) =>
      step([replaced("node-1", old, { status, record: record({ dropShare }) }), rolloutNode("node-2")]);
    expect(said(with_(0))).toMatch(
      /^RolloutHalted: .*pod edge-node-1 drops 50 % of what it receives, the one before it dropped 0\.0 %/,
    );
    expect(acts(with_(0.4))).toEqual(["replace node-2"]);
  });

  it("remembers how the former pod was", () => {
    const rates = {
      receivedPerSecond: 900,
      forwardedPerSecond: 1,
      returnedPerSecond: 100,
      droppedPerSecond: 20,
      droppedTotal: 9,
      flows: 1,
    };
    const [action] = step([rolloutNode("node-1", {}, { status: { ready: true, rates } })]).actions;
    expect(action).toMatchObject({
      record: { target: "new/", pod: "uid-node-1", wasReady: true, dropShare: 0.02, replacedAtMs: NOW },
    });
  });

  it("measures a new pod by a former that was not ready either", () => {
    const unready = { ready: false, started: true };
    const wasReady = (value: boolean) => ({
      status: { ready: false, appliedGeneration: 7 },
      record: record({ wasReady: value }),
    });
    expect(acts(step([replaced("node-1", unready, wasReady(false)), rolloutNode("node-2")]))).toEqual([
      "replace node-2",
    ]);
    expect(acts(step([replaced("node-1", unready, wasReady(true)), rolloutNode("node-2")]))).toEqual([]);
  });

  it.each([
    ["has only begun", { started: false, changedAtMs: 0 }, true],
    ["was ready a moment ago", { started: true, changedAtMs: NOW - 5000 }, true],
    ["has not got ready for long", { started: true, changedAtMs: NOW - 60_000 }, false],
  ])("a pod that %s when the change comes", (_, changes, wasReady) => {
    const [action] = step([rolloutNode("node-1", { ready: false, ...changes }), rolloutNode("node-2")]).actions;
    expect(action).toMatchObject({ kind: "replace", node: { nodeName: "node-1" }, record: { wasReady } });
  });

  it("a pod that got ready while its deletion was lost is what the next one is measured by", () => {
    const late = { target: "new/", pod: "uid-node-1", wasReady: false, replacedAtMs: NOW - 3000 };
    const [action] = step([rolloutNode("node-1", {}, { record: record(late) }), rolloutNode("node-2")]).actions;
    expect(action).toMatchObject({ kind: "replace", record: { wasReady: true } });
  });

  it("does not ask for readiness where there is no backend", () => {
    const unready = replaced("node-1", { ready: false }, { status: { ready: false, appliedGeneration: 7 } });
    expect(acts(step([unready, rolloutNode("node-2", { ready: false })], { expectsReady: false }))).toEqual([
      "replace node-2",
    ]);
  });

  it("replaces at once, and first, what does not run, and leaves the others for later", () => {
    const broken = { ready: false, started: false, trouble: "CrashLoopBackOff" };
    const nodes = [rolloutNode("node-1"), rolloutNode("node-2", broken), rolloutNode("node-3", broken)];
    expect(acts(step(nodes, { limits: { drainMs: 10_000 } }))).toEqual(["replace node-2", "replace node-3"]);
  });

  it("replaces what is not ready before what serves, one at a time: it may still forward", () => {
    const nodes = [
      rolloutNode("node-1"),
      rolloutNode("node-2", { ready: false }),
      rolloutNode("node-3", { ready: false }),
    ];
    expect(acts(step(nodes))).toEqual(["replace node-2"]);
  });

  it("a second bad change is held against the last good proxy, not against the first bad one", () => {
    const first = rolloutNode("node-1", { ready: false }, { record: record({ target: "bad-1/", wasReady: true }) });
    const [action] = step([first, rolloutNode("node-2")]).actions;
    expect(action).toMatchObject({ node: { nodeName: "node-1" }, record: { wasReady: true } });
    const second = replaced("node-1", { ready: false }, { record: record() });
    expect(acts(step([second, rolloutNode("node-2")]))).toEqual([]);
  });

  it("goes on after a change back: the one that was changed is replaced, the others never", () => {
    const bad = rolloutNode(
      "node-1",
      { template: "bad", ready: false, trouble: IMAGE },
      { record: record({ target: "bad/" }) },
    );
    const back = step([bad, rolloutNode("node-2", { template: "new" })]);
    expect(acts(back)).toEqual(["replace node-1"]);
    expect(said(back)).toMatch(/^RollingOut/);
  });

  it("passes over a dead node, says so, and replaces its pod when it is back", () => {
    const dead = rolloutNode("node-1", { ready: false }, { alive: false });
    const passed = step([dead, rolloutNode("node-2")]);
    expect([acts(passed), said(passed)]).toEqual([
      ["replace node-2"],
      "RollingOut: rolling out: 0 of 2 nodes done; node-1: not ready, passed over",
    ]);
    expect(said(step([dead, replaced("node-2")]))).toBe("");
    expect(acts(step([rolloutNode("node-1"), replaced("node-2")]))).toEqual(["replace node-1"]);
  });

  it("passes over pods of dead nodes that end for ever, or never began to", () => {
    const ending = rolloutNode("node-1", { terminating: true, ready: false }, { alive: false });
    const none = rolloutNode("node-2", {}, { alive: false, pod: undefined });
    expect(acts(step([ending, none, rolloutNode("node-3")]))).toEqual(["replace node-3"]);
  });

  it("holds for ten minutes where a node is lost after its pod was replaced: the new one may be why", () => {
    const lost = (agoMs: number) =>
      replaced("node-1", { ready: false }, { alive: false, record: record({ replacedAtMs: NOW - agoMs }) });
    expect(said(step([lost(60_000), rolloutNode("node-2")]))).toMatch(
      /^RolloutHalted: .*node-1: has not been ready since its pod was replaced/,
    );
    expect(acts(step([lost(601_000), rolloutNode("node-2")]))).toEqual(["replace node-2"]);
  });

  it("waits for pods that somebody else deleted", () => {
    expect(
      acts(step([replaced("node-1"), rolloutNode("node-2", {}, { pod: undefined }), rolloutNode("node-3")])),
    ).toEqual([]);
  });

  it("counts as DaemonSets do, and sends the first of a change alone", () => {
    expect([
      unavailableMax(3, 10),
      unavailableMax("25%", 10),
      unavailableMax("1%", 10),
      unavailableMax("100%", 3),
    ]).toEqual([3, 3, 1, 3]);
    const limits = { maxUnavailable: "100%" };
    expect(
      acts(
        step(
          THREE.map((name) => rolloutNode(name)),
          { limits },
        ),
      ),
    ).toEqual(["replace node-1"]);
    expect(acts(step([replaced("node-1"), rolloutNode("node-2"), rolloutNode("node-3")], { limits }))).toEqual([
      "replace node-2",
      "replace node-3",
    ]);
  });

  it("waits, while it is paused, until the DaemonSet controller knows what is wanted, and for others on the node", () => {
    const paused = step([rolloutNode("node-1", {}, { drain: true })], { limits: { paused: true } });
    expect([acts(paused), said(paused)]).toEqual([
      ["undrain node-1"],
      "RolloutPaused: rollout paused by spec.rollout.paused, 0 of 1 nodes done, 1 wait",
    ]);
    expect(step([rolloutNode("node-1")], { target: undefined })).toMatchObject({ actions: [], progress: undefined });
    const busy = (name: string) => (name === "node-1" ? "waits for the proxy of QuicProxy a/b there" : undefined);
    const beside = step([rolloutNode("node-1"), rolloutNode("node-2")], { busy });
    expect(acts(beside)).toEqual(["replace node-2"]);
    const alone = step([rolloutNode("node-1")], { busy });
    expect([acts(alone), said(alone), alone.againMs]).toEqual([
      [],
      "RollingOut: rolling out: 0 of 1 nodes done; node-1: waits for the proxy of QuicProxy a/b there",
      5000,
    ]);
  });
});

describe("what another operator began is gone on with", () => {
  it("a pod that was to be deleted is deleted, and no other meanwhile", () => {
    const asked = rolloutNode("node-2", {}, { record: record({ pod: "uid-node-2", replacedAtMs: NOW - 1000 }) });
    expect(acts(step([rolloutNode("node-1"), asked]))).toEqual(["replace node-2"]);
  });

  it("a drain goes on from where it was", () => {
    const drained = rolloutNode(
      "node-1",
      { ready: false, changedAtMs: NOW - 4000 },
      {
        drain: true,
        record: record({ pod: "uid-node-1", drainedAtMs: NOW - 9000, replacedAtMs: undefined }),
      },
    );
    const waiting = step([drained, rolloutNode("node-2")], { limits: { drainMs: 10_000 } });
    expect([acts(waiting), waiting.againMs]).toEqual([[], 6000]);
  });
});

describe("draining", () => {
  const limits = { drainMs: 10_000 };
  const drained = (pod: object, agoMs: number, target = "new/") =>
    rolloutNode("node-1", pod, {
      drain: true,
      record: record({ target, pod: "uid-node-1", drainedAtMs: NOW - agoMs, replacedAtMs: undefined }),
    });

  it("comes before, and the time counts from when the pod is not ready", () => {
    const begun = step([rolloutNode("node-1"), rolloutNode("node-2")], { limits });
    expect(begun.actions).toMatchObject([
      { kind: "drain", node: { nodeName: "node-1" }, record: { drainedAtMs: NOW, wasReady: true } },
    ]);
    expect(acts(step([drained({}, 12_000)], { limits }))).toEqual([]);
    expect(acts(step([drained({ ready: false, changedAtMs: NOW - 9000 }, 12_000)], { limits }))).toEqual([]);
    const done = step([drained({ ready: false, changedAtMs: NOW - 10_000 }, 15_000)], { limits });
    expect(done.actions).toMatchObject([{ kind: "replace", record: { wasReady: true, replacedAtMs: NOW } }]);
  });

  it("ends where the proxy cannot be told", () => {
    expect(acts(step([drained({}, 40_000)], { limits }))).toEqual(["replace node-1"]);
  });

  it("is taken back where the pod is to stay, or somewhere else something is wrong", () => {
    const stays = rolloutNode("node-1", { template: "new" }, { drain: true });
    expect(acts(step([stays], { limits }))).toEqual(["undrain node-1"]);
    const failed = replaced("node-2", { ready: false, trouble: IMAGE });
    expect(acts(step([drained({ ready: false }, 5000), failed], { limits }))).toEqual(["undrain node-1"]);
    expect(acts(step([drained({ ready: false }, 5000, "other/")], { limits }))).toEqual([
      "replace node-1",
      "undrain node-1",
    ]);
  });
});

describe("a pod older than its ServiceAccount", () => {
  const target = { ...TARGET, account: { uid: "sa-2", createdAtMs: NOW - 5000 } };

  it("is replaced though its template is the present one, and why is said", () => {
    const [action] = step([rolloutNode("node-1", { template: "new" })], { target }).actions;
    expect(action).toMatchObject({
      kind: "replace",
      why: expect.stringContaining("(401)"),
      record: { target: "new/sa-2" },
    });
  });

  it("is replaced once, whatever the clocks of two API servers say", () => {
    expect(step([replaced("node-1", {}, { record: record({ target: "new/sa-2" }) })], { target }).actions).toEqual([]);
  });
});

it("a pod whose mark is taken off on its way is not replaced for ever", () => {
  const stripped = replaced("node-1", { template: undefined });
  const halted = step([stripped, rolloutNode("node-2")]);
  expect([acts(halted), said(halted)]).toEqual([[], expect.stringMatching(/^RolloutHalted: .*admission webhook/)]);
});

it.each([
  -3_600_000, -400_000, 400_000, 3_600_000,
])("a clock that is off by %d ms keeps nothing from going on for longer", (offMs) => {
  const skewed = replaced("node-1", { changedAtMs: NOW + offMs });
  expect(acts(step([skewed, rolloutNode("node-2")]))).toEqual(["replace node-2"]);
});
