import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ApiClient } from "../../../kube/client.ts";
import { Informer, type InformerTimes } from "../../../kube/informer.ts";
import { RESOURCES } from "../../../kube/resources.ts";
import { FakeApi, until } from "./fake_api.ts";

let api: FakeApi;
let client: ApiClient;
let informer: Informer<unknown>;
let changes: string[];
let errors: string[];
let broken: boolean;
let recoveries: number;
let whileProjecting: (name: string) => void;

const FAST: InformerTimes = { watchSeconds: 60, stallMs: 5000, relistMs: 60_000, backoffBaseMs: 1, backoffMaxMs: 5 };

function start(times: Partial<InformerTimes> = {}): void {
  informer = new Informer<unknown>({
    client,
    collection: { resource: RESOURCES.quicProxyNodes, namespace: "media", fieldSelector: "metadata.name=a" },
    project: (object) => {
      const { value } = object as unknown as { value: unknown };
      whileProjecting(object.metadata.name);
      return value === "ignored" ? undefined : value;
    },
    onChange: ({ key, value, origin }) => {
      if (broken) throw new Error("a handler that throws");
      changes.push(`${origin} ${key} ${value === undefined ? "gone" : value}`);
    },
    onError: ({ message }) => errors.push(message),
    onRecovered: () => recoveries++,
    times: { ...FAST, ...times },
  });
  informer.start();
}

const synced = () => until(() => informer.stats().synced && api.openWatches === 1, "a first sync and a watch");

beforeEach(async () => {
  api = new FakeApi();
  client = await api.start();
  changes = [];
  errors = [];
  broken = false;
  recoveries = 0;
  whileProjecting = () => {};
});

afterEach(async () => {
  await informer.stop();
  await api.stop();
});

describe("an informer in order", () => {
  it("lists, then follows by watch with bookmarks and the selector", async () => {
    api.set("a", 1);
    start();
    await synced();
    api.set("a", 2);
    api.set("b", 3);
    api.delete("a");
    await until(() => changes.length === 4);
    expect(changes).toEqual(["list media/a 1", "watch media/a 2", "watch media/b 3", "watch media/a gone"]);
    expect(api.watches[0]?.get("allowWatchBookmarks")).toBe("true");
    expect(api.watches[0]?.get("fieldSelector")).toBe("metadata.name=a");
    expect(errors).toEqual([]);
  });

  it("reads a collection page by page", async () => {
    api.pageSize = 2;
    for (const name of ["a", "b", "c", "d", "e"]) api.set(name, 1);
    start();
    await synced();
    expect(informer.values()).toHaveLength(5);
    expect(api.lists).toHaveLength(3);
  });

  it("resumes where an ended watch stood, by bookmark too, without another list", async () => {
    api.set("a", 1);
    start();
    await synced();
    api.deleteInSilence("other");
    api.bookmark();
    await until(() => informer.stats().lastEventAgeMs < 1000);
    api.endWatches("end");
    await until(() => api.watches.length === 2);
    expect(api.watches.map((query) => query.get("resourceVersion"))).toEqual(["11", "12"]);
    expect(api.lists).toHaveLength(1);
  });

  it("keeps nothing of an object that its projection leaves out", async () => {
    api.set("a", "ignored");
    start();
    await synced();
    expect(changes).toEqual([]);
    api.set("a", 1);
    api.set("a", "ignored");
    await until(() => changes.length === 2);
    expect(changes).toEqual(["watch media/a 1", "watch media/a gone"]);
  });
});

describe("an informer in trouble", () => {
  it("lists anew after 410, tells what went meanwhile, and takes it for no failure", async () => {
    api.set("a", 1);
    api.set("b", 1);
    start();
    await synced();
    api.endWatches("end");
    api.deleteInSilence("b");
    api.compact();
    await until(() => changes.includes("list media/b gone"));
    expect(informer.get("media/a")).toBe(1);
    expect(errors).toEqual([]);
  });

  it("does not ask in a hurry where every watch is 410", async () => {
    api.faults.watch.push(...new Array(4).fill({ status: 410 }));
    start();
    await synced();
    expect(errors).toHaveLength(3);
    expect(recoveries).toBe(0);
    api.bookmark();
    await until(() => recoveries === 1, "the end of the trouble");
    api.bookmark();
    api.set("a", 1);
    await until(() => changes.length === 1);
    expect(recoveries).toBe(1);
  });

  it("outlives bursts of 5xx, resets and garbage, and clears nothing meanwhile", async () => {
    api.set("a", 1);
    start();
    await synced();
    api.faults.watch.push({ status: 503 }, "reset", { status: 500 }, "garbage", { status: 403 }, { status: 429 });
    api.endWatches("reset");
    await until(() => api.openWatches === 1 && api.faults.watch.length === 0, "a watch after the faults");
    expect(changes).toEqual(["list media/a 1"]);
    expect(informer.stats().synced).toBe(true);
    api.set("a", 2);
    await until(() => changes.length === 2);
    expect(errors.length).toBeGreaterThanOrEqual(6);
  });

  it("goes on trying while lists fail, and is not synced before one succeeds", async () => {
    api.faults.list.push({ status: 500 }, "reset", { status: 403 });
    start();
    await until(() => errors.length === 3);
    expect(changes).toEqual([]);
    await synced();
    expect(informer.stats().connected).toBe(true);
  });

  it("is connected again with the beginning of a watch's answer, though nothing happens in it", async () => {
    start();
    await synced();
    api.faults.watch.push({ status: 503 }, "reset");
    api.endWatches("reset");
    await until(() => errors.length >= 3 && api.openWatches === 1, "a watch after the outage");
    await until(() => informer.stats().connected, "connected, with no event and no end of a watch");
    expect(recoveries).toBe(0);
    api.bookmark();
    await until(() => recoveries === 1);
  });

  it("waits at least as long as the API server asks", async () => {
    api.faults.list.push({ status: 429, retryAfter: 1 });
    const startedAt = performance.now();
    start();
    await synced();
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(990);
  });

  it("takes a silent stream for dead and resumes", async () => {
    api.set("a", 1);
    api.faults.watch.push("silence");
    start({ stallMs: 100 });
    await until(() => informer.stats().stalls >= 1 && api.openWatches === 1);
    api.set("a", 2);
    await until(() => changes.includes("watch media/a 2"));
    expect(api.lists).toHaveLength(1);
  });

  it("lists everything from time to time and tells only what differs", async () => {
    api.set("a", 1);
    api.set("b", 1);
    start({ relistMs: 1 });
    await synced();
    api.deleteInSilence("b");
    api.endWatches("end");
    await until(() => changes.includes("list media/b gone"));
    expect(changes).toEqual(["list media/a 1", "list media/b 1", "list media/b gone"]);
  });

  it("outlives a handler that throws", async () => {
    broken = true;
    api.set("a", 1);
    start();
    await synced();
    broken = false;
    api.set("a", 2);
    await until(() => changes.length === 1);
    expect(errors).toEqual(["a handler that throws"]);
    expect(informer.get("media/a")).toBe(2);
  });

  it("believes its own write over a watch that is behind", async () => {
    api.set("a", 1);
    start();
    await synced();
    const metadata = { name: "a", namespace: "media", resourceVersion: "100" };
    informer.assume({ metadata, value: "own" } as never);
    api.set("a", "older");
    api.set("b", 1);
    await until(() => informer.get("media/b") === 1);
    expect(informer.get("media/a")).toBe("own");
  });

  it("believes its own write over a list that began before it", async () => {
    api.pageSize = 1;
    for (const name of ["a", "b", "c"]) api.set(name, 1);
    start({ relistMs: 1 });
    await synced();
    const own = (name: string, value: number, resourceVersion: string): void =>
      informer.assume({ metadata: { name, namespace: "media", resourceVersion }, value } as never);
    api.set("c", 2);
    await until(() => changes.includes("watch media/c 2"));
    api.compact();
    api.endWatches("end");
    api.deleteInSilence("c");
    api.set("b", 2);
    whileProjecting = (name) => {
      if (name !== "b") return;
      whileProjecting = () => {};
      own("a", 9, "1000");
      own("d", 9, "1001");
    };
    await until(() => changes.includes("list media/c gone"));
    expect([informer.get("media/a"), informer.get("media/b"), informer.get("media/d")]).toEqual([9, 2, 9]);
  });

  it("takes a list as a whole: nobody sees one page without the others", async () => {
    api.pageSize = 1;
    for (const name of ["a", "b", "c"]) api.set(name, 1);
    const seen = new Set<number>();
    whileProjecting = () => seen.add(informer.values().length);
    start();
    await synced();
    expect([...seen]).toEqual([0]);
  });

  it("does not believe an answer that came after the deletion of what it tells of", async () => {
    start();
    await synced();
    api.set("a", 1);
    api.delete("a");
    api.set("b", 1);
    await until(() => informer.get("media/b") === 1);
    for (const resourceVersion of ["11", "12", "13"]) {
      informer.assume({ metadata: { name: "a", namespace: "media", resourceVersion }, value: "own" } as never);
      expect(informer.get("media/a")).toBeUndefined();
    }
    informer.assume({ metadata: { name: "a", namespace: "media", resourceVersion: "14" }, value: "next" } as never);
    expect(informer.get("media/a")).toBe("next");
  });

  it("keeps what was made anew when the watch tells of the deletion of the former", async () => {
    api.set("a", 1);
    start();
    await synced();
    const metadata = { name: "a", namespace: "media", resourceVersion: "100" };
    informer.assume({ metadata, value: "anew" } as never);
    api.delete("a");
    api.set("b", 1);
    await until(() => informer.get("media/b") === 1);
    expect(informer.get("media/a")).toBe("anew");
  });

  it("stops at once, also in the middle of a wait", async () => {
    api.faults.list.push({ status: 429, retryAfter: 60 });
    start();
    await until(() => errors.length === 1);
    await informer.stop();
    expect(api.lists).toHaveLength(1);
  });
});
