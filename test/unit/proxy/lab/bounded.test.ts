import { expect, test } from "vitest";
import { runBounded } from "../../../../proxy/lab/bounded.ts";

test("runs every item once, at most `limit` at a time, and keeps their order", async () => {
  let running = 0;
  let most = 0;
  const results = await runBounded([5, 1, 4, 2, 3, 0], 2, async (item) => {
    most = Math.max(most, ++running);
    for (let turn = 0; turn < item; turn++) await Promise.resolve();
    running--;
    return item * 10;
  });
  expect(results).toEqual([50, 10, 40, 20, 30, 0]);
  expect(most).toBe(2);
});

test("starts nothing after the signal and rejects with its reason", async () => {
  const abort = new AbortController();
  const started: number[] = [];
  const run = runBounded(
    [0, 1, 2, 3],
    1,
    async (item) => {
      started.push(item);
      if (item === 1) abort.abort(new Error("enough"));
    },
    abort.signal,
  );
  await expect(run).rejects.toThrow("enough");
  expect(started).toEqual([0, 1]);
});

test("no items, no work", async () => {
  await expect(runBounded([], 8, () => Promise.reject(new Error("never")))).resolves.toEqual([]);
});
