import { afterEach, describe, expect, it } from "vitest";
import { type Attempt, WorkQueue } from "../../../operator/queue.ts";
import { until } from "../kube/fake_api.ts";

let queue: WorkQueue;
let worked: string[] = [];
let attempts: Attempt[] = [];

function start(work: (key: string) => Promise<number | undefined>): void {
  worked = [];
  attempts = [];
  queue = new WorkQueue({
    settleMs: 5,
    retryBaseMs: 1,
    work: (key) => {
      worked.push(key);
      return work(key);
    },
    onDone: (attempt) => attempts.push(attempt),
  });
  queue.start();
}

afterEach(() => queue.stop());

describe("the work queue", () => {
  it("does a key once, however often it was added meanwhile", async () => {
    start(async () => undefined);
    for (let count = 0; count < 100; count++) queue.add("a");
    queue.add("b");
    await until(() => worked.length === 2 && queue.depth === 0);
    expect(worked.sort()).toEqual(["a", "b"]);
    expect(queue.adds).toBe(101);
  });

  it("does a key again that was added while it was at work", async () => {
    let release = (): void => {};
    start(
      () =>
        new Promise((resolve) => {
          release = () => resolve(undefined);
        }),
    );
    queue.add("a");
    await until(() => worked.length === 1);
    queue.add("a");
    expect(queue.active).toBe(1);
    release();
    await until(() => worked.length === 2);
    release();
    await until(() => queue.active === 0);
  });

  it("tries a failed key again and lets others pass", async () => {
    let failures = 3;
    start(async (key) => {
      if (key === "bad" && failures-- > 0) throw new Error("no");
      return undefined;
    });
    queue.add("bad");
    queue.add("good");
    await until(() => worked.filter((key) => key === "bad").length === 4);
    expect(worked).toContain("good");
    expect(queue.retries).toBe(3);
    expect(attempts.filter(({ error }) => error !== undefined)).toHaveLength(3);
  });

  it("comes again when the work asks for it", async () => {
    let rounds = 0;
    start(async () => (++rounds < 3 ? 1 : undefined));
    queue.add("a");
    await until(() => worked.length === 3 && queue.depth === 0);
  });

  it("finishes what is in hand when it stops, and takes no more", async () => {
    start(async () => undefined);
    queue.add("late", 60_000);
    await queue.stop();
    expect(worked).toEqual([]);
  });
});
