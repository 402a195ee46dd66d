import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { kindDefinitions } from "../../crds/definitions.ts";
import packageJson from "../../package.json" with { type: "json" };
import { chart, find, type Helm, helm, helms, namespace, type Rendered, render, type Values } from "./helm.ts";

const versions = Object.keys(helms) as Helm[];
const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;

const valueSets: Readonly<Record<string, Values>> = {
  "the defaults": {},
  "a single replica that watches one namespace": { operator: { replicas: 1, watchNamespace: "media" } },
  "an image by digest and all names": {
    fullnameOverride: "edge-lb",
    image: { repository: "registry.example:5000/net/quicproxy", digest: DIGEST, pullSecrets: ["pull"] },
    proxy: { capabilities: "Sockets", priorityClassName: "", pullSecrets: ["a", "b"] },
    serviceAccount: { name: "lb", annotations: { "example.com/role": "x" } },
  },
  "everything that is off by default, and nothing that is on": {
    global: { anything: true },
    crds: { install: false },
    roles: { aggregate: false },
    serviceMonitor: { enabled: true, labels: { release: "prometheus" } },
    serviceAccount: { create: false, name: "present" },
    proxy: { fenceStatus: false },
    operator: {
      fenceNodeRights: false,
      fenceWrites: false,
      podDisruptionBudget: false,
      priorityClassName: "",
      podAnnotations: { "example.com/a": "b" },
      podLabels: { tier: "edge" },
      nodeSelector: { "kubernetes.io/os": "linux" },
      tolerations: [{ key: "edge", operator: "Exists", effect: "NoSchedule" }],
      affinity: { podAntiAffinity: {} },
    },
  },
};

interface PodSpec {
  priorityClassName?: string;
  imagePullSecrets?: object[];
  nodeSelector?: Record<string, string>;
  securityContext: object;
  containers: [{ image: string; args: string[]; securityContext: object; resources: object }];
}

function podOf(objects: readonly Rendered[]): PodSpec {
  const { template } = find(objects, "Deployment").spec as { template: { spec: PodSpec } };
  return template.spec;
}

const argsOf = (objects: readonly Rendered[]): string[] => podOf(objects).containers[0].args;

describe.each(versions)("%s", (version) => {
  test.each(Object.entries(valueSets))("lints and renders with %s", (_, values) => {
    expect(helm(version, ["lint", chart, "--strict"], values)).toMatchObject({ status: 0 });
    const objects = render(version, values);
    for (const { apiVersion, kind, metadata } of objects) {
      expect([apiVersion, kind, metadata.name]).not.toContain(undefined);
      expect(metadata.labels).toMatchObject({ "app.kubernetes.io/name": "quicproxy" });
    }
    const keys = objects.map((each) => `${each.kind}/${each.metadata.namespace}/${each.metadata.name}`);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

test.each(Object.entries(valueSets))("both versions make the same of %s", (_, values) => {
  const [four, three] = versions.map((version) =>
    render(version, values)
      .map((each) => JSON.stringify(each))
      .sort(),
  );
  expect(four).toEqual(three);
});

describe("the operator's pod", () => {
  test("is what the Pod Security Standard restricted asks for", () => {
    const objects = render("Helm 4");
    const check = find(objects, "Pod").spec as unknown as PodSpec;
    for (const pod of [podOf(objects), check]) {
      expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
      expect(pod.containers[0].securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
      expect(pod).not.toHaveProperty("hostNetwork");
      expect(pod).not.toHaveProperty("volumes");
      expect(pod.containers[0].resources).toMatchObject({ requests: { memory: expect.any(String) } });
    }
  });

  test("has the image of the chart's own version, which its proxies get, too", () => {
    const image = `localhost/quicproxy:${packageJson.version}`;
    expect(podOf(render("Helm 4")).containers[0].image).toBe(image);
    expect(argsOf(render("Helm 4"))).toContain(`--image=${image}`);
    const { version, appVersion } = parse(readFileSync(resolve(chart, "Chart.yaml"), "utf8")) as Record<string, string>;
    expect([version, appVersion]).toEqual([packageJson.version, packageJson.version]);
  });

  test.each([
    [{ tag: "edge" }, "localhost/quicproxy:edge"],
    [{ digest: DIGEST }, `localhost/quicproxy@${DIGEST}`],
    [{ repository: "r.example/q", tag: "1", digest: DIGEST }, `r.example/q:1@${DIGEST}`],
  ])("of image %j runs %s", (image, expected) => {
    expect(podOf(render("Helm 4", { image })).containers[0].image).toBe(expected);
  });

  test("runs on nodes that can run the image, as its proxies do", () => {
    const selectorsOf = (values: Values) => {
      const objects = render("Helm 4", values);
      const check = find(objects, "Pod").spec as unknown as PodSpec;
      return [podOf(objects).nodeSelector, check.nodeSelector];
    };
    const linux = { "kubernetes.io/os": "linux" };
    expect(selectorsOf({})).toEqual([linux, linux]);
    const values = { image: { architecture: "arm64" }, operator: { nodeSelector: { tier: "edge" } } };
    const image = { ...linux, "kubernetes.io/arch": "arm64" };
    expect(selectorsOf(values)).toEqual([{ ...image, tier: "edge" }, image]);
    expect(argsOf(render("Helm 4", values))).toContain("--architecture=arm64");
  });

  test("is told what the values say of proxies", () => {
    const values = valueSets["an image by digest and all names"]!;
    expect(argsOf(render("Helm 4", values))).toEqual([
      `--image=registry.example:5000/net/quicproxy@${DIGEST}`,
      "--image-pull-policy=IfNotPresent",
      "--image-pull-secret=a",
      "--image-pull-secret=b",
      "--proxy-capabilities=Sockets",
      "--lease-name=edge-lb-operator",
      "--metrics=:8080",
      "--log-level=info",
    ]);
    expect(podOf(render("Helm 4", values)).imagePullSecrets).toEqual([{ name: "pull" }]);
  });
});

test("is for API servers that take its CRDs: isIP() in a new rule needs 1.31", () => {
  const at = (version: string) => helm("Helm 4", ["template", "q", chart, "--kube-version", version], {});
  expect(at("1.30.9")).toMatchObject({ status: 1, said: expect.stringContaining("kubeVersion: >=1.31.0") });
  expect(at("1.31.0")).toMatchObject({ status: 0 });
});

test("a single replica has no disruption budget, which would keep its node from being drained", () => {
  const kinds = (replicas: number) => render("Helm 4", { operator: { replicas } }).map(({ kind }) => kind);
  expect(kinds(2)).toContain("PodDisruptionBudget");
  expect(kinds(1)).not.toContain("PodDisruptionBudget");
});

describe("the CRDs", () => {
  const committed = (plural: string): Rendered =>
    parse(readFileSync(resolve(chart, `../../crds/quicproxy.io_${plural}.yaml`), "utf8")) as Rendered;

  const plurals = kindDefinitions().map(({ plural }) => plural);

  test.each(plurals)("%s are the generated ones, and stay", (plural) => {
    const crd = find(render("Helm 4"), "CustomResourceDefinition", `${plural}.quicproxy.io`);
    expect(crd.metadata.annotations).toEqual({ "helm.sh/resource-policy": "keep" });
    const { metadata, ...rest } = committed(plural);
    expect({ ...crd, metadata: { name: crd.metadata.name } }).toEqual({ metadata, ...rest });
  });

  test("go with the release only where that is asked for", () => {
    const crds = render("Helm 4", { crds: { keep: false } }).filter(({ kind }) => kind === "CustomResourceDefinition");
    expect(crds.map(({ metadata }) => metadata.annotations)).toEqual(plurals.map(() => undefined));
    expect(render("Helm 4", { crds: { install: false } }).map(({ kind }) => kind)).not.toContain(
      "CustomResourceDefinition",
    );
  });
});

test("everything with a namespace is in the release's, or in the one that is watched", () => {
  const values = valueSets["a single replica that watches one namespace"]!;
  const found = new Set(render("Helm 4", values).flatMap(({ metadata }) => metadata.namespace ?? []));
  expect([...found].sort()).toEqual(["media", namespace]);
});
