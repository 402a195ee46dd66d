import { expect, it } from "vitest";
import { Events } from "../../../kube/events.ts";
import { RESOURCES } from "../../../kube/resources.ts";

it("records the same again after ten minutes, also where the wall clock was set back meanwhile", async () => {
  const recorded: unknown[] = [];
  let wallMs = 1_700_000_000_000;
  let steadyMs = 0;
  const events = new Events({
    client: { create: async (_, event) => void recorded.push(event) as never },
    resource: RESOURCES.quicProxies,
    controller: "quicproxy.io/operator",
    instance: "test",
    now: () => wallMs,
    steadyMs: () => steadyMs,
    onError: (error) => expect.fail(error.message),
  });
  const record = () =>
    events.record(
      { namespace: "media", name: "edge", uid: "1" },
      { type: "Normal", reason: "Updated", action: "Apply", note: "x" },
    );
  await record();
  steadyMs = 599_000;
  await record();
  expect(recorded).toHaveLength(1);
  steadyMs = 601_000;
  wallMs -= 3_600_000;
  await record();
  expect(recorded).toHaveLength(2);
});
