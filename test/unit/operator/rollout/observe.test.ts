import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../../../kube/objects.ts";
import { ROLLOUT_ANNOTATION, TEMPLATE_ANNOTATION } from "../../../../operator/names.ts";
import { neighbourInTransit } from "../../../../operator/rollout/neighbours.ts";
import { rolloutInputs } from "../../../../operator/rollout/observe.ts";
import { recordAnnotation, recordOf } from "../../../../operator/rollout/record.ts";
import { nextStep } from "../../../../operator/rollout/step.ts";
import { presentTemplate, templateOf } from "../../../../operator/rollout/template.ts";
import type { ObservedNodeObject } from "../../../../operator/world.ts";
import { accepted, FakeWorld, FRESH, find, node, planOf, pod, proxy } from "../worlds.ts";
import { record } from "./nodes.ts";

const RESTARTED_AT = "kubectl.kubernetes.io/restartedAt";

function daemonSet(
  annotations: Record<string, string>,
  generation: number,
  observedGeneration?: number,
): KubernetesObject {
  const content = { spec: { template: { metadata: { annotations } } }, status: { observedGeneration } };
  return {
    kind: "DaemonSet",
    metadata: { name: "quicproxy-edge", namespace: "media", generation },
    ...content,
  } as KubernetesObject;
}

describe("the template", () => {
  it("is known by its mark, and by that of kubectl rollout restart", () => {
    const marked = (more: object = {}) => templateOf({ annotations: { [TEMPLATE_ANNOTATION]: "a", ...more } });
    expect([templateOf({}), marked(), marked({ [RESTARTED_AT]: "today" })]).toEqual([undefined, "a", "a today"]);
  });

  it("is not known until the DaemonSet controller has read it: a pod deleted before might come back as it was", () => {
    const marks = { [TEMPLATE_ANNOTATION]: "a" };
    expect(presentTemplate(undefined)).toBeUndefined();
    expect(presentTemplate(daemonSet(marks, 2))).toBeUndefined();
    expect(presentTemplate(daemonSet(marks, 2, 1))).toBeUndefined();
    expect(presentTemplate(daemonSet(marks, 2, 2))).toEqual({ mark: "a" });
    expect(presentTemplate(daemonSet({}, 2, 2))).toEqual({ mark: undefined });
  });

  const planned = (spec: object = {}) => {
    const world = new FakeWorld({ nodes: [node("node-1")], proxies: [proxy("edge", spec)] });
    return find<{ spec: { updateStrategy: object; template: { metadata: { annotations: Record<string, string> } } } }>(
      planOf(world),
      "DaemonSet",
    ).spec;
  };

  it("is marked anew with everything that makes other pods, and with nothing else", () => {
    const mark = (spec: object = {}) => planned(spec).template.metadata.annotations[TEMPLATE_ANNOTATION];
    expect(mark()).toMatch(/^[0-9a-f]{16}$/);
    expect(mark({ dataPlane: { batch: 32 } })).not.toBe(mark());
    expect(mark({ nodes: { selector: {}, tolerations: [{ key: "a", operator: "Exists" }] } })).not.toBe(mark());
    expect(mark({ rollout: { maxUnavailable: "25%", drain: "10s", paused: true } })).toBe(mark());
    expect(mark({ listeners: [{ port: 444 }] })).toBe(mark());
  });

  it("is rolled out by nobody but the operator", () => {
    expect(planned().updateStrategy).toEqual({ type: "OnDelete" });
  });
});

describe("the record of a node", () => {
  it("is read as it was written", () => {
    const written = record({ drainedAtMs: 1, dropShare: 0.5 });
    expect(recordOf({ annotations: recordAnnotation(written) })).toEqual(written);
  });

  it.each(["", "{", "null", "[]", "7", '{"target":1}', '{"target":"a"}'])("is none where it is %j", (text) => {
    expect(recordOf({ annotations: { [ROLLOUT_ANNOTATION]: text } })).toBeUndefined();
  });

  it("has only what makes sense of it", () => {
    const annotations = {
      [ROLLOUT_ANNOTATION]: '{"target":"a","pod":"b","replacedAtMs":"soon","dropShare":null,"wasReady":"yes"}',
    };
    expect(recordOf({ annotations })).toEqual({
      target: "a",
      pod: "b",
      drainedAtMs: undefined,
      replacedAtMs: undefined,
      wasReady: false,
      dropShare: 0,
    });
  });
});

/** A QuicProxy on nodes, planned and applied, whose DaemonSet its controller has read. */
function world(nodes = [node("node-1"), node("node-2")], spec: object = {}): FakeWorld {
  const before = new FakeWorld({ nodes, proxies: [proxy("edge", spec)] });
  const after = before.applied(planOf(before));
  after.parts.children = after.parts.children.map((child) => {
    const metadata = {
      ...child.metadata,
      uid: `uid-${child.kind}`,
      creationTimestamp: "2026-01-01T00:00:00Z",
      generation: 1,
    };
    return { ...child, metadata, status: { observedGeneration: 1 } } as KubernetesObject;
  });
  return after;
}

const inputs = (of: FakeWorld) => rolloutInputs(of, of.proxies[0]!, accepted(of), FRESH.nowMs);

describe("what a step is decided on", () => {
  it("is each chosen node with its pod, scheduled or not", () => {
    const seen = world();
    seen.parts.pods = [pod("node-1"), pod("node-2", { nodeName: "", targetNode: "node-2", ready: false })];
    const { nodes, target, limits, expectsReady } = inputs(seen);
    expect(nodes.map(({ nodeName, objectName, pod: found }) => [nodeName, objectName, found?.name])).toEqual([
      ["node-1", "edge.node-1", "edge-node-1"],
      ["node-2", "edge.node-2", "edge-node-2"],
    ]);
    expect(target).toMatchObject({
      template: expect.stringMatching(/^[0-9a-f]{16}$/),
      account: { uid: "uid-ServiceAccount" },
    });
    expect([limits, expectsReady]).toEqual([{ maxUnavailable: 1, drainMs: 0, paused: false }, true]);
  });

  it("is the pod that stays, where another one still ends", () => {
    const seen = world([node("node-1")]);
    const ending = pod("node-1", { name: "ending", terminating: true, ready: false });
    const younger = pod("node-1", { name: "younger", createdAtMs: FRESH.nowMs });
    seen.parts.pods = [younger, ending, pod("node-1", { name: "older" })];
    expect(inputs(seen).nodes[0]!.pod?.name).toBe("younger");
    seen.parts.pods = [ending];
    expect(inputs(seen).nodes[0]!.pod?.name).toBe("ending");
  });

  it("is not a node that has left, though its object is still there; one that is cordoned is as any other", () => {
    const seen = world();
    seen.parts.nodes = [
      node("node-1", {}, { taints: [{ key: "node.kubernetes.io/unschedulable", value: "", effect: "NoSchedule" }] }),
    ];
    seen.parts.pods = [pod("node-1"), pod("node-2")];
    expect(inputs(seen).nodes.map(({ nodeName }) => nodeName)).toEqual(["node-1"]);
  });

  it("is nothing where somebody took the mark off the template, which is said", () => {
    const seen = world();
    const text = JSON.stringify(seen.parts.children).replaceAll("quicproxy.io/template", "example.com/other");
    seen.parts.children = JSON.parse(text) as KubernetesObject[];
    seen.parts.pods = [pod("node-1"), pod("node-2")];
    const step = nextStep(inputs(seen));
    expect(step.actions).toEqual([]);
    expect(step.progress?.message).toMatch(
      /^rollout halted; the template of DaemonSet quicproxy-edge has no annotation quicproxy.io\/template/,
    );
  });

  it("has the limits of spec.rollout", () => {
    const rollout = { maxUnavailable: "25%", drain: "1m30s", paused: true };
    expect(inputs(world(undefined, { rollout })).limits).toEqual({
      maxUnavailable: "25%",
      drainMs: 90_000,
      paused: true,
    });
  });
});

describe("another QuicProxy on the node", () => {
  const other = (agoMs: number | undefined): ObservedNodeObject => {
    const of = world([node("node-1")]).nodeObjects("media", "edge")[0]!;
    const annotations = agoMs === undefined ? {} : recordAnnotation(record({ replacedAtMs: FRESH.nowMs - agoMs }));
    return { ...of, name: "other.node-1", proxy: "other", metadata: { ...of.metadata, annotations } };
  };
  const waits = (agoMs: number | undefined, pods = [pod("node-1", { proxy: "other", ready: false })]) => {
    const seen = new FakeWorld({ nodeObjects: [other(agoMs)], pods });
    return neighbourInTransit(seen, { namespace: "media", name: "edge" }, "node-1", FRESH.nowMs);
  };

  it("is waited for while its proxy is replaced, and no longer than that takes", () => {
    expect(waits(1000)).toBe("waits for the proxy of QuicProxy media/other there");
    expect(waits(1000, [])).toContain("waits");
    expect(waits(1000, [pod("node-1", { proxy: "other", ready: false, terminating: true })])).toContain("waits");
    expect(waits(1000, [pod("node-1", { proxy: "other", uid: "uid-former" })])).toContain("waits");
    expect(waits(1000, [pod("node-1", { proxy: "other" })])).toBeUndefined();
    expect(waits(121_000)).toBeUndefined();
  });

  it("is not waited for where no rollout took its proxy", () => {
    expect(waits(undefined)).toBeUndefined();
    expect(waits(undefined, [])).toBeUndefined();
  });
});
