import { describe, expect, test } from "vitest";
import schema from "../../charts/quicproxy/values.schema.json" with { type: "json" };
import { classSpecShape, DEFAULT_CLASS_ANNOTATION } from "../../crds/class_schema.ts";
import { chart, find, type Helm, helm, helms, namespace, type Rendered, render, type Values } from "./helm.ts";

const versions = Object.keys(helms) as Helm[];
const SERVED = ["quicproxy.io/v1alpha1/QuicProxyClass"];

const classOf = (version: Helm, values: Values = {}): Rendered => find(render(version, values), "QuicProxyClass");

describe.each(versions)("the default class, by %s", (version) => {
  test("is one that the operator reads, and marked as the default", () => {
    const { metadata, spec } = classOf(version);
    expect(metadata.name).toBe("default");
    expect(metadata.annotations?.[DEFAULT_CLASS_ANNOTATION]).toBe("true");
    expect(classSpecShape.safeParse(spec).error).toBeUndefined();
  });

  // helm/helm #5654, #3396: an object of a kind whose CRD is in the same release.
  test("comes after the CRDs where they come with the release, and is Helm's afterwards", () => {
    const { annotations, labels } = classOf(version).metadata;
    expect(annotations).toMatchObject({
      "helm.sh/hook": "post-install,post-upgrade",
      "meta.helm.sh/release-name": "quicproxy",
      "meta.helm.sh/release-namespace": namespace,
    });
    expect(labels?.["app.kubernetes.io/managed-by"]).toBe("Helm");
  });

  test("is an object like others where its kind is served: no upgrade deletes it for a moment", () => {
    const { metadata } = find(render(version, {}, "quicproxy", SERVED), "QuicProxyClass");
    expect(metadata.annotations).toEqual({ [DEFAULT_CLASS_ANNOTATION]: "true", "helm.sh/resource-policy": "keep" });
  });

  test("is what the values say, or nobody's", () => {
    const spec = { destinations: { cidrs: ["198.51.100.0/24"] }, listenerPorts: [{ first: 443, last: 443 }] };
    expect(classOf(version, { class: { spec, name: "edge", default: false } })).toMatchObject({
      metadata: { name: "edge", annotations: { [DEFAULT_CLASS_ANNOTATION]: "false" } },
      spec,
    });
    const none = render(version, { class: { create: false } });
    expect(none.filter(({ kind }) => kind === "QuicProxyClass")).toEqual([]);
  });

  test("goes with the CRDs where these are not kept", () => {
    expect(classOf(version, { crds: { keep: false } }).metadata.annotations).not.toHaveProperty(
      "helm.sh/resource-policy",
    );
  });

  test("says nothing that no class has", () => {
    const wrong = { class: { spec: { ports: [443] } } };
    const { status, said } = helm(version, ["template", "quicproxy", chart], wrong);
    expect(status).not.toBe(0);
    expect(said).toMatch(/ports/);
  });
});

test("the values know every field of a class", () => {
  const known = Object.keys(schema.properties.class.properties.spec.properties);
  expect(known).toEqual(Object.keys(classSpecShape.shape));
});
