import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Backend, BackendsSpec } from "../../../crds/backends_schema.ts";
import { backendsSpecShape } from "../../../crds/backends_schema.ts";
import { needOf } from "../../../operator/diff.ts";
import { chunk } from "../../../operator/plan/chunks.ts";
import type { Plan } from "../../../operator/plan/plan.ts";
import { assembleSet, readBackendsSpec } from "../../../proxy/source/backend_set.ts";
import { FakeWorld, FRESH, node, planOf, proxy, SERVICE_SPEC, service, slice } from "./worlds.ts";

function addresses(count: number, from = 0): string[] {
  return Array.from(
    { length: count },
    (_, at) => `10.${(at + from) >> 16}.${((at + from) >> 8) & 255}.${(at + from) & 255}`,
  );
}

const backendsAt = (list: readonly string[]): Backend[] => list.map((address) => ({ address, port: 4433, weight: 1 }));

function world(list: readonly string[]): FakeWorld {
  const parts = { nodes: [node("node-1")], services: [service()], slices: [slice(list)] };
  return new FakeWorld({ ...parts, proxies: [proxy("edge", SERVICE_SPEC)] });
}

interface Written {
  name: string;
  spec: BackendsSpec;
}

/** The QuicProxyBackends that a plan has written, in order. */
function written(plan: Plan, of: FakeWorld): Written[] {
  return plan.stages
    .flat()
    .filter((desired) => desired.object.kind === "QuicProxyBackends" && needOf(desired, of) !== undefined)
    .map(({ object }) => ({ name: object.metadata.name, spec: (object as unknown as Written).spec }));
}

const later = (ms: number) => ({ ...FRESH, nowMs: FRESH.nowMs + ms });
const indexOf = (of: FakeWorld) => of.backendObject("media", "edge")!.index!;

describe("chunks", () => {
  it("have every backend once, whatever came before, and few enough in each", () => {
    const before = fc.option(fc.integer({ min: -3, max: 400 }), { nil: undefined });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 3000 }), before, (count, buckets) => {
        const list = backendsAt(addresses(count));
        const chunking = chunk(list, buckets);
        const spread = chunking.chunks.flat().map(({ address }) => address);
        expect(spread.sort()).toEqual(list.map(({ address }) => address).sort());
        for (const { length } of chunking.chunks) expect(length).toBeLessThanOrEqual(256);
      }),
      { numRuns: 40 },
    );
  });

  it("of 16,384 backends stay below what an object may hold", () => {
    const { buckets, chunks } = chunk(backendsAt(addresses(16_384)), undefined);
    expect(buckets).toBe(256);
    expect(Math.max(...chunks.map(({ length }) => length))).toBeLessThan(150);
  });

  it("do not change their number around a bound, back and forth", () => {
    const at = (count: number, before: number | undefined) => chunk(backendsAt(addresses(count)), before).buckets;
    expect([at(128, 1), at(129, 1), at(128, 4), at(129, 4)]).toEqual([1, 4, 4, 4]);
    expect([at(64, 4), at(63, 4), at(64, 1)]).toEqual([4, 1, 1]);
  });
});

describe("QuicProxyBackends", () => {
  it("are what their schema takes, chunks before the index that names them", () => {
    const plan = planOf(world(addresses(500)));
    const all = written(plan, world([]));
    for (const { spec } of all) expect(backendsSpecShape.parse(spec)).toEqual(spec);
    expect(all.at(-1)?.name).toBe("edge");
    expect(all.at(-1)?.spec.index).toMatchObject({ count: 500, serving: 500, source: "Service media/server 443" });
  });

  it("make one set at whoever reads them, at every moment of a change", () => {
    const before = world(addresses(500));
    const applied = before.applied(planOf(before));
    applied.parts.slices = [slice(addresses(500, 1))];
    const plan = planOf(applied, "edge", later(5));
    const seen = new Map(
      applied.parts.backendObjects.map(({ name, index, backends }) => {
        return [name, { proxy: "edge", ...(index === undefined ? { backends } : { index }) } as BackendsSpec];
      }),
    );
    const sizes: (number | undefined)[] = [];
    const look = (): void => void sizes.push(assembleSet("edge", seen)?.backends.length);
    look();
    for (const { name, spec } of written(plan, applied)) {
      seen.set(name, spec);
      look();
    }
    for (const { name } of plan.surplus) {
      seen.delete(name);
      look();
    }
    expect(new Set(sizes)).toEqual(new Set([500]));
    const last = assembleSet("edge", seen)!.backends.map(({ address }) => address);
    expect(last.sort()).toEqual(addresses(500, 1).sort());
  });

  it("of 5,000 endpoints cost a change of one less than 100 kB, whatever the number of nodes", () => {
    const nodes = Array.from({ length: 50 }, (_, at) => node(`node-${at}`));
    const before = world(addresses(5000));
    before.parts.nodes = nodes;
    const applied = before.applied(planOf(before));
    applied.parts.slices = [slice(addresses(5000).slice(1))];
    const plan = planOf(applied, "edge", later(5));
    const bodies = plan.stages
      .flat()
      .filter((desired) => needOf(desired, applied) !== undefined)
      .map(({ object }) => ({ kind: object.kind, octets: JSON.stringify(object).length }));
    expect(bodies.map(({ kind }) => kind)).toEqual(["QuicProxyBackends", "QuicProxyBackends"]);
    expect(plan.surplus).toHaveLength(1);
    const octets = bodies.reduce((sum, body) => sum + body.octets, 0);
    console.log(`one of 5,000 endpoints: ${bodies.length} writes and 1 deletion, ${octets} octets`);
    expect(octets).toBeLessThan(100_000);
  });

  it("are put back where somebody edits or deletes them, and keep their generation", () => {
    const before = world(addresses(3));
    const applied = before.applied(planOf(before));
    const edited = applied.parts.backendObjects.map((object) => ({ ...object, digest: "another" }));
    applied.parts.backendObjects = edited;
    expect(written(planOf(applied, "edge", later(5)), applied)).toHaveLength(2);
    applied.parts.backendObjects = edited.filter(({ name }) => name === "edge");
    expect(written(planOf(applied, "edge", later(5)), applied).map(({ spec }) => spec.index?.generation)).toEqual([
      undefined,
      FRESH.nowMs,
    ]);
  });

  it("start above what a node has where they are made anew", () => {
    const before = world(addresses(3));
    const applied = before.applied(planOf(before));
    applied.parts.nodeObjects = applied.parts.nodeObjects.map((object) => {
      return { ...object, status: { appliedBackends: FRESH.nowMs + 1000 } };
    });
    applied.parts.backendObjects = [];
    const [, index] = written(planOf(applied), applied);
    expect(index?.spec.index?.generation).toBe(FRESH.nowMs + 1001);
  });
});

describe("whether a removal was seen", () => {
  const change = (seenToGo: string[], next: string[], spec: object = SERVICE_SPEC) => {
    const before = world(addresses(4));
    const applied = before.applied(planOf(before));
    Object.assign(applied.parts, { seenToGo, slices: [slice(next)], proxies: [proxy("edge", spec)] });
    return indexOf(applied.applied(planOf(applied, "edge", later(5)))).removals;
  };
  const [first, ...others] = addresses(4);

  it("is told of each endpoint, not by the last event of the Service", () => {
    expect(change([], others)).toBe("Unobserved");
    expect(change([first!], others)).toBe("Observed");
    expect(change([first!], others.slice(1))).toBe("Unobserved");
    expect(change([], [...addresses(4), "10.9.9.9"])).toBe("Observed");
  });

  it("matters for those that turn to weight 0, too", () => {
    const before = world(addresses(4));
    const applied = before.applied(planOf(before));
    const endpoints = addresses(4).map((address) => ({
      address,
      isPod: true,
      ready: false,
      serving: false,
      terminating: false,
    }));
    applied.parts.slices = [slice([], { endpoints })];
    expect(indexOf(applied.applied(planOf(applied, "edge", later(5)))).removals).toBe("Unobserved");
  });

  it("does not matter where the author of the spec took them away", () => {
    expect(change([], [], { backends: { static: [] } })).toBe("Observed");
  });

  it("stays what it was while nothing changes", () => {
    const before = world(addresses(4));
    const applied = before.applied(planOf(before));
    applied.parts.slices = [slice(others)];
    const short = applied.applied(planOf(applied, "edge", later(5)));
    short.parts.seenToGo = [first!];
    expect(indexOf(short.applied(planOf(short, "edge", later(10))))).toEqual(indexOf(short));
  });
});

describe("nodes whose proxies are of a version before QuicProxyBackends", () => {
  const staticOf = (of: FakeWorld) => {
    const [desired] = planOf(of)
      .stages.flat()
      .filter(({ object }) => object.kind === "QuicProxyNode");
    return (desired!.object as unknown as { spec: { intent: { backends: { static?: object[] } } } }).spec.intent
      .backends.static;
  };

  it("go on getting backends in their object until they say that they have the others", () => {
    const before = world(addresses(3));
    const applied = before.applied(planOf(before));
    const old = (status: object) => applied.parts.nodeObjects.map((each) => ({ ...each, hasBackends: true, status }));
    applied.parts.nodeObjects = old({ appliedGeneration: 1 });
    applied.parts.slices = [slice(addresses(2))];
    expect(staticOf(applied)).toHaveLength(2);
    applied.parts.nodeObjects = old({ appliedGeneration: 1, appliedBackends: 1 });
    expect(staticOf(applied)).toBeUndefined();
  });
});

describe("what a proxy reads", () => {
  it("is no set while the index or a chunk is missing", () => {
    const index = {
      generation: 1,
      removals: "Observed" as const,
      source: "s",
      buckets: 1,
      chunks: ["edge.a"],
      count: 1,
      serving: 1,
    };
    const objects = new Map<string, BackendsSpec>();
    expect(assembleSet("edge", objects)).toBeUndefined();
    objects.set("edge", { proxy: "edge", index });
    expect(assembleSet("edge", objects)).toBeUndefined();
    objects.set("edge.a", { proxy: "edge", backends: backendsAt(["10.0.0.1"]) });
    expect(assembleSet("edge", objects)).toMatchObject({ generation: 1, backends: [{ address: "10.0.0.1" }] });
  });

  it("is refused with the place of the fault", () => {
    const raw = { proxy: "edge", backends: [{ address: "nonsense", port: 1, weight: 1 }] };
    expect(readBackendsSpec(raw)).toEqual({ fault: expect.stringContaining("spec.backends.0.address: allowed: ") });
    expect(readBackendsSpec(undefined)).toMatchObject({ fault: expect.any(String) });
  });
});
