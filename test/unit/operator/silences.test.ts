import { beforeEach, describe, expect, it } from "vitest";
import { quicProxyNodeStatusShape } from "../../../crds/status_schema.ts";
import { ApiError } from "../../../kube/errors.ts";
import { Lanes } from "../../../kube/lanes.ts";
import type { KubernetesObject } from "../../../kube/objects.ts";
import type { ObservedWorld } from "../../../operator/apply.ts";
import { Silences } from "../../../operator/silences.ts";
import { silenceOf } from "../../../operator/status/silence.ts";
import { FakeWorld, node, planOf, pod, proxy } from "./worlds.ts";

const LATE_MS = 150_000;
const REPORTED_AT = "2026-02-03T04:05:06Z";

/** What is written shows as the API server would have it, not as it was sent. */
class WrittenWorld extends FakeWorld implements ObservedWorld {
  assume(): void {}
}

let world: WrittenWorld;
let writes: KubernetesObject[];
let failWith: Error | undefined;
let silences: Silences;
const said: string[] = [];
const log = { warn: (_: unknown, text: string) => void said.push(text) } as never;

/** Two nodes that run and have reported. */
function running(): WrittenWorld {
  const before = new FakeWorld({ nodes: [node("node-1"), node("node-2")], proxies: [proxy("edge")] });
  const { parts } = before.applied(planOf(before));
  parts.pods = [pod("node-1"), pod("node-2")];
  parts.nodeObjects = parts.nodeObjects.map((object) => {
    const status = { appliedGeneration: object.generation, ready: true, readiness: "True", reason: "", message: "" };
    return { ...object, reportedAt: REPORTED_AT, status } as never;
  });
  return new WrittenWorld(parts);
}

beforeEach(() => {
  world = running();
  writes = [];
  said.length = 0;
  failWith = undefined;
  silences = new Silences({
    lanes: new Lanes({ width: 16 }),
    client: {
      apply: async (object) => {
        if (failWith) throw failWith;
        writes.push(object);
        const { status } = object as unknown as { status: object };
        world.parts.nodeObjects = world.parts.nodeObjects.map((each) =>
          each.name === object.metadata.name ? { ...each, status: { ...each.status, ...status } } : each,
        );
        return object;
      },
    },
    caches: world,
  });
});

const say = (): Promise<number | undefined> => silences.say(world.proxies[0]!, log);
const ages = (first: number, second: number): void => {
  world.parts.reportAges = { "edge.node-1": first, "edge.node-2": second };
};

describe("a node that does not report", () => {
  it("is looked for when the first of them may be silent", async () => {
    ages(10_000, 30_000);
    expect(await say()).toBe(120_000);
    ages(149_999, 0);
    expect([await say(), writes.length]).toEqual([5000, 0]);
  });

  it("K14: is named once, in its own status, with nothing else in it changed", async () => {
    ages(LATE_MS, 0);
    expect(await say()).toBe(LATE_MS);
    expect(writes).toMatchObject([{ metadata: { namespace: "media", name: "edge.node-1" } }]);
    const { status } = writes[0] as unknown as { status: object };
    expect(Object.keys(status).sort()).toEqual(["message", "readiness", "reason"]);
    expect(status).toMatchObject({ readiness: "Unknown", reason: "NotReporting" });
    expect(quicProxyNodeStatusShape.parse(status)).toEqual(status);
    expect(said).toHaveLength(1);
    ages(LATE_MS * 9, 0);
    await say();
    expect(writes).toHaveLength(1);
  });

  it("stays so for an operator that began a moment ago", async () => {
    ages(LATE_MS, 0);
    await say();
    ages(0, 0);
    await say();
    expect([writes.length, world.parts.nodeObjects[0]!.status.readiness]).toEqual([1, "Unknown"]);
  });

  it("is named anew where the cause shows only later", async () => {
    ages(LATE_MS, 0);
    await say();
    world.parts.nodes = [node("node-1", {}, { ready: false }), node("node-2")];
    await say();
    expect(writes).toHaveLength(2);
    expect(said[1]).toContain("the node is NotReady");
  });

  it("is none where the proxy is of a version that does not say when it reports", async () => {
    world.parts.nodeObjects = world.parts.nodeObjects.map((each) => ({ ...each, reportedAt: undefined }));
    expect([await say(), writes.length]).toEqual([undefined, 0]);
  });

  it("is taken back where such a proxy follows one that was silent", async () => {
    ages(LATE_MS, 0);
    await say();
    world.parts.nodeObjects = world.parts.nodeObjects.map((each) => ({ ...each, reportedAt: undefined }));
    await say();
    expect((writes[1] as unknown as { status: object }).status).toEqual({});
  });

  it("that cannot be written keeps no other from being named, and is thrown", async () => {
    ages(LATE_MS, LATE_MS);
    failWith = new ApiError("no", { status: 403, reason: "Forbidden" });
    await expect(say()).rejects.toThrow("no");
    failWith = new ApiError("gone", { status: 404, reason: "NotFound" });
    expect(await say()).toBeUndefined();
  });
});

describe("the cause that is named", () => {
  const causeOf = (changes: (parts: FakeWorld["parts"]) => void): string => {
    const { parts } = running();
    changes(parts);
    const here = new FakeWorld(parts);
    return silenceOf(here, here.proxies[0]!, here.nodeObjects("media", "edge")[0]!).message!;
  };
  const account = (creationTimestamp: string) => (parts: FakeWorld["parts"]) => {
    parts.children = parts.children.map((child) =>
      child.kind === "ServiceAccount" ? { ...child, metadata: { ...child.metadata, creationTimestamp } } : child,
    );
  };

  it("begins with how long, and when by the node's own clock", () => {
    expect(causeOf(() => {})).toBe(
      `has not reported for more than 150 s (last at ${REPORTED_AT} by its own clock): pod edge-node-1 runs, but it does not ` +
        "reach the API server or may not write; see: kubectl logs -n media edge-node-1",
    );
  });

  it.each<[string, (parts: FakeWorld["parts"]) => void, string]>([
    [
      "the node is not ready",
      (parts) => {
        parts.nodes = [node("node-1", {}, { ready: false })];
      },
      "the node is NotReady, its kubelet does not report either; see: kubectl describe node node-1",
    ],
    [
      "the node is gone",
      (parts) => {
        parts.nodes = [];
      },
      "the node is gone",
    ],
    [
      "there is no pod",
      (parts) => {
        parts.pods = [];
      },
      "has no proxy pod yet",
    ],
    [
      "the pod does not run",
      (parts) => {
        parts.pods = [pod("node-1", { ready: false, trouble: "CrashLoopBackOff: back-off 5m0s" })];
      },
      "pod edge-node-1: CrashLoopBackOff: back-off 5m0s",
    ],
    [
      "the ServiceAccount is missing",
      (parts) => {
        parts.children = parts.children.filter(({ kind }) => kind !== "ServiceAccount");
      },
      "ServiceAccount quicproxy-edge is missing: the API server answers 401 to its proxies",
    ],
    [
      "the ServiceAccount was made anew after the pod",
      account(new Date(pod("node-1").createdAtMs + 1000).toISOString()),
      "ServiceAccount quicproxy-edge is newer than pod edge-node-1, whose token is of the one before: the API server answers " +
        "401 to it; replace the pod: kubectl delete pod -n media edge-node-1",
    ],
    [
      "the ServiceAccount is older",
      account(new Date(pod("node-1").createdAtMs - 1000).toISOString()),
      "pod edge-node-1 runs, but it does not reach",
    ],
  ])("%s", (_, changes, cause) => expect(causeOf(changes)).toContain(`: ${cause}`));
});
