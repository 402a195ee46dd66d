import { describe, expect, it } from "vitest";
import type { Origin } from "../../../../kube/informer.ts";
import { Departures } from "../../../../operator/watch/departures.ts";
import { Groups } from "../../../../operator/watch/groups.ts";
import type { ObservedSlice } from "../../../../operator/world.ts";
import { service, slice } from "../worlds.ts";

const at = (address: string, port = 4433) => ({ address, port });

describe("departures", () => {
  const observe = (
    to: Departures,
    before: ObservedSlice | undefined,
    value: ObservedSlice | undefined,
    origin: Origin,
  ) => to.observe({ key: "media/server-1", before, value, origin });
  const two = slice(["10.0.0.1", "10.0.0.2"]);
  const one = slice(["10.0.0.1"]);

  it("are seen by a watch and not by a list", () => {
    const seen = new Departures();
    observe(seen, two, one, "list");
    expect(seen.wasSeenToGo("media", "server", at("10.0.0.2"))).toBe(false);
    observe(seen, one, undefined, "watch");
    expect(seen.wasSeenToGo("media", "server", at("10.0.0.1"))).toBe(true);
    expect(seen.wasSeenToGo("media", "other", at("10.0.0.1"))).toBe(false);
  });

  it("are forgotten where the address is ready again", () => {
    const seen = new Departures();
    observe(seen, two, one, "watch");
    observe(seen, one, two, "list");
    observe(seen, two, one, "list");
    expect(seen.wasSeenToGo("media", "server", at("10.0.0.2"))).toBe(false);
  });

  it("are those of addresses that are not ready any more, too", () => {
    const seen = new Departures();
    const endpoints = [{ address: "10.0.0.1", isPod: true, ready: true, serving: true, terminating: true }];
    observe(seen, one, slice([], { endpoints }), "watch");
    expect(seen.wasSeenToGo("media", "server", at("10.0.0.1"))).toBe(true);
  });

  it("are those of all addresses of a Service that a watch saw being deleted, until it is there again", () => {
    const seen = new Departures();
    const gone = { key: "media/server", value: undefined, before: service() };
    seen.observeService({ ...gone, origin: "list" });
    expect(seen.wasSeenToGo("media", "server", at("10.0.0.1"))).toBe(false);
    seen.observeService({ ...gone, origin: "watch" });
    expect(seen.wasSeenToGo("media", "server", at("10.0.0.1"))).toBe(true);
    seen.observeService({ key: "media/server", value: service(), before: undefined, origin: "list" });
    expect(seen.wasSeenToGo("media", "server", at("10.0.0.1"))).toBe(false);
  });

  it("are those of a port that the slice has no more", () => {
    const seen = new Departures();
    observe(seen, one, slice(["10.0.0.1"], { ports: [{ name: "quic", port: 4434, protocol: "UDP" }] }), "watch");
    const [former, present] = [at("10.0.0.1"), at("10.0.0.1", 4434)];
    expect([former, present].map((target) => seen.wasSeenToGo("media", "server", target))).toEqual([true, false]);
  });

  it("are bounded, the oldest forgotten first", () => {
    const seen = new Departures();
    const many = Array.from({ length: 20_001 }, (_, at) => `a${at}`);
    observe(seen, slice(many), undefined, "watch");
    expect([seen.wasSeenToGo("media", "server", at("a0")), seen.wasSeenToGo("media", "server", at("a1"))]).toEqual([
      false,
      true,
    ]);
  });
});

describe("groups", () => {
  it("follow values that come, move and go", () => {
    const groups = new Groups<{ of: string; at: number }>(({ of }) => of);
    const value = (of: string, at: number) => ({ of, at });
    groups.take({ key: "1", before: undefined, value: value("a", 1), origin: "list" });
    groups.take({ key: "2", before: undefined, value: value("a", 2), origin: "list" });
    expect(groups.of("a")).toHaveLength(2);
    expect(groups.of("a")).toBe(groups.of("a"));
    groups.take({ key: "1", before: value("a", 1), value: value("b", 3), origin: "watch" });
    expect([groups.of("a"), groups.of("b")]).toEqual([[value("a", 2)], [value("b", 3)]]);
    groups.take({ key: "2", before: value("a", 2), value: undefined, origin: "watch" });
    expect([groups.of("a"), groups.of("none")]).toEqual([[], []]);
  });
});
