import { expect, it } from "vitest";
import { takeBundle } from "../../../../host/doctor/take.ts";
import type { ReadingPlan } from "../../../../host/reading/read.ts";

it("two whole readings, nine looks at the sockets of the port between them, evenly over the window", async () => {
  const events: (string | number)[] = [];
  let steadyMs = 0;
  const outside = {
    read: ({ sources, ports, namespace }: ReadingPlan) => {
      events.push(sources === undefined ? `all of ${namespace}` : `sockets of ${ports} in ${namespace}`);
      return { steadyMs: ++steadyMs, time: "2026-01-31T12:00:00Z", sources: {} };
    },
    wait: async (ms: number) => void events.push(ms),
  };
  const bundle = await takeBundle({ subject: { port: 443 }, windowMs: 10_000, namespace: "server" }, outside);
  const looks = Array.from({ length: 9 }, () => [1000, "sockets of 443 in server"]).flat();
  expect(events).toEqual(["all of server", ...looks, 1000, "all of server"]);
  expect(bundle).toMatchObject({ subject: { port: 443 }, before: { steadyMs: 1 }, after: { steadyMs: 11 } });
  expect(bundle.between).toHaveLength(9);
});
