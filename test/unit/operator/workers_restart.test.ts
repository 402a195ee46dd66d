import { describe, expect, it } from "vitest";
import { needOf } from "../../../operator/diff.ts";
import { WORKERS_ANNOTATION } from "../../../operator/names.ts";
import { FakeWorld, FRESH, find, node, planOf, proxy } from "./worlds.ts";

/** The nodes of these tests, whose proxies had one worker before 16 were asked for. */
const nodes = [node("node-1"), node("node-2")];
const workers = (max: number) => ({ dataPlane: { workers: { max } } });

type Template = { spec: { template: { metadata: { annotations: Record<string, string> } } } };
const remembered = (world: FakeWorld): string | undefined =>
  find<Template>(planOf(world), "DaemonSet").spec.template.metadata.annotations[WORKERS_ANNOTATION];

let world: FakeWorld;

/** Writes what is planned at that time; statuses are no part of it. */
function write(nowMs: number): void {
  const statuses = new Map(world.parts.nodeObjects.map(({ name, status }) => [name, status]));
  world = world.applied(planOf(world, "edge", { ...FRESH, nowMs }));
  world.parts.nodeObjects = world.parts.nodeObjects.map((object) => {
    return { ...object, status: statuses.get(object.name) ?? {} };
  });
}

/** What is asked for now, planned at so many milliseconds, and written. */
function ask(max: number, nowMs: number): void {
  world.parts.proxies = [proxy("edge", workers(max))];
  write(nowMs);
}

function start(): void {
  world = new FakeWorld({ nodes });
  ask(1, 100);
  for (const { name } of nodes) report(name, "runs");
  ask(16, 200);
}

/** A node runs what its object says, or asks for a restart for it and runs what it did. */
function report(nodeName: string, what: "runs" | "asks"): void {
  world.parts.nodeObjects = world.parts.nodeObjects.map((object) => {
    if (object.nodeName !== nodeName) return object;
    const { generation, status } = object;
    const { appliedGeneration = 0 } = status;
    const asks = { appliedGeneration, reason: "WorkersNeedRestart", refusedGeneration: generation };
    return { ...object, status: what === "runs" ? { appliedGeneration: generation } : asks };
  });
}

/** Writes what is planned; whether that rolls the pods. */
function settle(): boolean {
  const plan = planOf(world);
  const before = remembered(world);
  const daemonSet = plan.stages.flat().find(({ object }) => object.kind === "DaemonSet")!;
  const isWritten = needOf(daemonSet, world) !== undefined;
  write(FRESH.nowMs);
  expect(remembered(world)).toBe(before);
  return isWritten;
}

describe("more workers than a running proxy has tables for", () => {
  it("come without a restart where no node asks for one", () => {
    start();
    report("node-1", "runs");
    expect(settle()).toBe(false);
    expect(remembered(world)).toBeUndefined();
  });

  it("roll the pods once, however long the others go on asking", () => {
    start();
    report("node-1", "asks");
    expect(settle()).toBe(true);
    expect(remembered(world)).toBe("1-16/200");
    report("node-2", "asks");
    expect(settle()).toBe(false);
    report("node-1", "runs");
    expect(settle()).toBe(false);
    report("node-2", "runs");
    expect(settle()).toBe(false);
    expect(remembered(world)).toBe("1-16/200");
  });

  it("roll them for another number, and for the same one again when it was reached and left in between", () => {
    start();
    report("node-1", "asks");
    settle();
    for (const { name } of nodes) report(name, "runs");
    ask(32, 300);
    report("node-1", "asks");
    expect(settle()).toBe(true);
    expect(remembered(world)).toBe("1-32/300");
    for (const { name } of nodes) report(name, "runs");
    ask(1, 400);
    for (const { name } of nodes) report(name, "runs");
    ask(32, 500);
    report("node-2", "asks");
    expect(settle()).toBe(true);
    expect(remembered(world)).toBe("1-32/500");
  });

  it("do not roll them any more once fewer are asked for, though the node has not said so yet", () => {
    start();
    report("node-1", "asks");
    ask(2, 300);
    expect(remembered(world)).toBeUndefined();
    expect(settle()).toBe(false);
  });
});
