import { afterAll, describe, expect, type TestContext, test } from "vitest";
import type { Scene } from "./scene.ts";
import { SCENES } from "./scenes/all.ts";
import { expectFault, expectReason, expectVerdict } from "./stage/expect.ts";
import { play } from "./stage/play.ts";
import { keepTable, type MatrixRow, rowOf, skippedRow } from "./stage/table.ts";

/* Each fault for real, and what the doctor says of it. */

const rows = new Map<Scene, MatrixRow>();

afterAll(() =>
  keepTable(
    "fault_matrix",
    SCENES.filter((scene) => rows.has(scene)).map((scene) => rows.get(scene)!),
  ),
);

async function examineScene(scene: Scene, { skip }: TestContext): Promise<void> {
  const reason = scene.missing?.();
  if (reason !== undefined) {
    rows.set(scene, skippedRow(scene, reason));
    skip(reason);
  }
  const played = await play(scene);
  rows.set(scene, rowOf(scene, played));
  expectFault(scene, played);
  expectVerdict(scene, played);
  expectReason(scene, played);
}

const byReach = (wanted: Scene["reach"]): Scene[] => SCENES.filter(({ reach }) => reach === wanted);

describe.concurrent("in a namespace", () => {
  for (const scene of byReach("namespace")) test(scene.fault, (context) => examineScene(scene, context));
});

describe("on the machine, one after the other", () => {
  for (const scene of byReach("machine")) test(scene.fault, (context) => examineScene(scene, context));
});

test("at least 22 faults over at least 9 hand-offs are named", () => {
  const played = SCENES.filter((scene) => scene.missing?.() === undefined);
  expect(played.length).toBeGreaterThanOrEqual(22);
  expect(new Set(played.map(({ handOff }) => handOff)).size).toBeGreaterThanOrEqual(9);
});
