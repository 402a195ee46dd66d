import { beforeEach, describe, expect, it } from "vitest";
import { ApiError } from "../../../kube/errors.ts";
import { Events, type Happening } from "../../../kube/events.ts";
import { RESOURCES } from "../../../kube/resources.ts";

let created: { metadata: { name: string }; note: string; type: string }[];
let patched: { name: string; series: object }[];
let errors: string[];
let failWith: Error | undefined;
let wallMs: number;
let steadyMs: number;
let events: Events;

beforeEach(() => {
  created = [];
  patched = [];
  errors = [];
  failWith = undefined;
  wallMs = 1_700_000_000_000;
  steadyMs = 0;
  events = new Events({
    client: {
      create: async (_, event) => {
        if (failWith) throw failWith;
        created.push(event as never);
        return event;
      },
      mergePatch: async (_, { name }, patch) => {
        if (failWith) throw failWith;
        patched.push({ name: name!, ...(patch as { series: object }) });
        return patch as never;
      },
    },
    resource: RESOURCES.quicProxies,
    controller: "quicproxy.io/operator",
    instance: "test",
    now: () => wallMs,
    steadyMs: () => steadyMs,
    onError: ({ message }) => errors.push(message),
  });
});

const EDGE = { namespace: "media", name: "edge", uid: "1" };
const recordAt = (ms: number, changes: Partial<Happening> = {}, regarded = EDGE): Promise<void> => {
  steadyMs = ms;
  return events.record(regarded, { type: "Normal", reason: "Updated", action: "Apply", note: "x", ...changes });
};

describe("the same again", () => {
  it("is counted in the event of the first, once a minute, and is another one after ten minutes of silence", async () => {
    for (const ms of [0, 1000, 59_000]) await recordAt(ms);
    expect([created.length, patched.length]).toEqual([1, 0]);
    await recordAt(60_000);
    await recordAt(61_000);
    expect(patched).toEqual([
      { name: created[0]!.metadata.name, series: { count: 4, lastObservedTime: "2023-11-14T22:13:20.000000Z" } },
    ]);
    await recordAt(660_000);
    expect([created.length, patched.length]).toEqual([1, 2]);
    await recordAt(1_260_000);
    expect([created.length, patched.length]).toEqual([2, 2]);
  });

  it("is told by a clock that does not jump", async () => {
    await recordAt(0);
    wallMs -= 3_600_000;
    await recordAt(601_000);
    expect(created).toHaveLength(2);
  });

  it("is another one where its type, its note or its object is", async () => {
    await recordAt(0);
    await recordAt(0, { note: "y" });
    await recordAt(0, { type: "Warning" });
    await recordAt(0, {}, { ...EDGE, uid: "2" });
    expect(created).toHaveLength(4);
  });

  it("is created anew where its event could not be counted, such as one that was deleted", async () => {
    await recordAt(0);
    failWith = new ApiError("gone", { status: 404, reason: "NotFound" });
    await recordAt(60_000);
    failWith = undefined;
    await recordAt(61_000);
    expect([created.length, errors]).toEqual([2, ["gone"]]);
  });
});

describe("too much about one object", () => {
  const many = async (count: number, ms: number, changes: Partial<Happening> = {}, regarded = EDGE) => {
    for (let index = 0; index < count; index++) await recordAt(ms, { note: `${ms} ${index}`, ...changes }, regarded);
    return created.length;
  };

  it("is not recorded beyond 25 at once and one in 30 s", async () => {
    expect(await many(100, 0)).toBe(25);
    expect(await many(100, 29_999)).toBe(25);
    expect(await many(100, 30_000)).toBe(26);
    expect(await many(100, 119_000)).toBe(28);
    expect(await many(100, 3_600_000)).toBe(53);
  });

  it("keeps neither warnings nor what is about others from being recorded", async () => {
    await many(100, 0);
    await recordAt(0, { type: "Warning", note: "w" });
    await recordAt(0, { note: "o" }, { ...EDGE, uid: "2" });
    expect(created.slice(25).map(({ note }) => note)).toEqual(["w", "o"]);
  });
});

it("what cannot be written is said, keeps nothing from being done, and is tried with the next one", async () => {
  failWith = new ApiError("no", { status: 403, reason: "Forbidden" });
  await recordAt(0);
  failWith = undefined;
  await recordAt(1000);
  expect([created.length, errors]).toEqual([1, ["no"]]);
});
