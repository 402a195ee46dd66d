import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../../../kube/objects.ts";
import { projectPod } from "../../../../operator/watch/project.ts";

const matchFields = [{ key: "metadata.name", operator: "In", values: ["node-2"] }];
const AFFINITY = {
  nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] } },
};

function raw({
  spec = { nodeName: "node-1" },
  status = {},
  metadata = {},
}: {
  spec?: object;
  status?: object;
  metadata?: object;
}) {
  const labels = { "quicproxy.io/proxy": "edge" };
  const base = { namespace: "media", name: "edge-a", uid: "u", labels, creationTimestamp: "2026-01-01T00:00:00Z" };
  return { metadata: { ...base, ...metadata }, spec, status } as KubernetesObject;
}

const ready = (status: string, lastTransitionTime: string) => ({
  conditions: [{ type: "Ready", status, lastTransitionTime }],
});

describe("a pod", () => {
  it("is of the node that it is made for, before the scheduler has put it there", () => {
    const conditions = [
      { type: "PodScheduled", status: "False", reason: "Unschedulable", message: "Insufficient memory" },
    ];
    const pending = projectPod(raw({ spec: { affinity: AFFINITY }, status: { conditions } }));
    expect(pending).toMatchObject({
      nodeName: "",
      targetNode: "node-2",
      started: false,
      trouble: "Unschedulable: Insufficient memory",
    });
    expect(projectPod(raw({}))).toMatchObject({ nodeName: "node-1", targetNode: "node-1" });
    expect(projectPod(raw({ spec: {} }))).toMatchObject({ nodeName: "", targetNode: "" });
  });

  it("has started once its startup probe has succeeded", () => {
    const started = (container: object) => projectPod(raw({ status: { containerStatuses: [container] } }))?.started;
    const running = { running: { startedAt: "2026-01-01T00:00:01Z" } };
    expect(started({ state: running, started: true })).toBe(true);
    expect(started({ state: running, started: false })).toBe(false);
    expect(started({ state: { waiting: { reason: "ContainerCreating" } } })).toBe(false);
  });

  it("has changed when it last got ready or not, or its container last started", () => {
    const startedAt = "2026-01-01T00:00:09Z";
    const containerStatuses = [{ restartCount: 3, started: true, state: { running: { startedAt } } }];
    const changed = (status: object) => projectPod(raw({ status }))?.changedAtMs;
    expect(changed(ready("True", "2026-01-01T00:00:05Z"))).toBe(Date.parse("2026-01-01T00:00:05Z"));
    expect(changed({ ...ready("True", "2026-01-01T00:00:05Z"), containerStatuses })).toBe(Date.parse(startedAt));
    expect(changed({})).toBe(0);
    expect(projectPod(raw({ status: { containerStatuses } }))?.restarts).toBe(3);
  });

  it("that its kubelet refused or evicted says why it never runs again", () => {
    const failed = projectPod(raw({ status: { phase: "Failed", reason: "Evicted", message: "low on memory" } }));
    expect(failed?.trouble).toBe("Evicted: low on memory");
  });

  it("that ends is not ready, whatever it says", () => {
    const ending = raw({
      status: ready("True", "2026-01-01T00:00:05Z"),
      metadata: { deletionTimestamp: "2026-01-01T00:00:06Z" },
    });
    expect(projectPod(ending)).toMatchObject({ terminating: true, ready: false });
  });
});
