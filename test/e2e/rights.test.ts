import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Cluster, kubectl, workerNodes } from "../cluster/cluster.ts";
import { install, system, uninstall } from "../cluster/product.ts";
import { findCluster } from "../cluster/provider.ts";
import { until } from "../until.ts";

/*
 * What the chart gives to the operator and to users, asked of a real API server: RBAC and the policy beside it.
 */

const operator = `system:serviceaccount:${system}:quicproxy-operator`;

let cluster: Cluster;
let node: string;
let directory: string;

beforeAll(async () => {
  cluster = await findCluster(console.log);
  node = (await workerNodes(cluster))[0]!.name;
  directory = await mkdtemp(join(tmpdir(), "quicproxy-e2e-"));
  await install(cluster);
}, 400_000);

afterAll(async () => {
  await uninstall(cluster);
  await kubectl(cluster, ["delete", "namespace", system, "--ignore-not-found", "--timeout=180s"]);
  await rm(directory, { recursive: true });
}, 400_000);

/** Whether `kubectl auth can-i` says yes to what somebody may do. */
async function may(who: string, ...what: string[]): Promise<boolean> {
  const answer = await kubectl(cluster, ["auth", "can-i", ...what, "--as", who, "--quiet"]).catch(() => "no");
  return answer !== "no";
}

/** What the API server says when the operator applies this; empty: it does as asked. */
async function refusalOf(object: object): Promise<string> {
  const file = join(directory, "object.json");
  writeFileSync(file, JSON.stringify(object));
  const how = [
    "--as",
    operator,
    "--server-side",
    "--force-conflicts",
    "--validate=false",
    "--field-manager=e2e-rights",
  ];
  return kubectl(cluster, ["apply", ...how, "-f", file]).then(
    () => "",
    (error: Error) => error.message,
  );
}

const refusal = (change: object): Promise<string> => refusalOf({ apiVersion: "v1", kind: "Node", ...change });

const OWN_LABEL = "edge.media.quicproxy.io/node";

test("the operator changes its own labels of a node", async () => {
  expect(await refusal({ metadata: { name: node, labels: { [OWN_LABEL]: "true" } } })).toBe("");
  expect(await refusal({ metadata: { name: node } })).toBe("");
});

test.each([
  ["another label", { metadata: { labels: { "node-role.kubernetes.io/edge": "" } } }, "may change no label"],
  ["the value of another label", { metadata: { labels: { "kubernetes.io/os": "none" } } }, "may change no label"],
  ["an annotation", { metadata: { annotations: { "example.com/a": "b" } } }, "may change nothing"],
  ["a finalizer", { metadata: { finalizers: ["example.com/hold"] } }, "may change nothing"],
  ["a taint", { metadata: {}, spec: { taints: [{ key: "a", effect: "NoSchedule" }] } }, "may change nothing"],
  ["whether pods come to it", { metadata: {}, spec: { unschedulable: true } }, "may change nothing"],
])("and not %s", async (_, { metadata, ...rest }, said) => {
  expect(await refusal({ metadata: { name: node, ...metadata }, ...rest })).toContain(said);
});

const OWN = {
  name: "quicproxy-e2e",
  namespace: "default",
  labels: { "app.kubernetes.io/managed-by": "quicproxy-operator", "quicproxy.io/proxy": "e2e" },
};
const rbac = "rbac.authorization.k8s.io";

test.each([
  [
    "touches an account of somebody else",
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { ...OWN, name: "default" } },
    "may not touch ServiceAccount default/default, which somebody else made",
  ],
  [
    "runs another image",
    {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: OWN,
      spec: {
        selector: { matchLabels: { a: "b" } },
        template: {
          metadata: { labels: { a: "b" } },
          spec: { containers: [{ name: "x", image: "registry.example/x" }] },
        },
      },
    },
    "may run no image but",
  ],
  [
    "grants its own rights",
    {
      apiVersion: `${rbac}/v1`,
      kind: "RoleBinding",
      metadata: OWN,
      roleRef: { apiGroup: rbac, kind: "ClusterRole", name: "quicproxy-operator" },
      subjects: [{ kind: "ServiceAccount", name: OWN.name, namespace: OWN.namespace }],
    },
    "the Role of its own name only",
  ],
])("nobody with the operator's token %s", async (_, object, said) => {
  expect(await refusalOf(object)).toContain(said);
});

test("the operator reads no Secret, makes no pod and grants no more than it has", async () => {
  expect(await may(operator, "patch", "daemonsets.apps", "-n", "default")).toBe(true);
  for (const what of [
    ["get", "secrets"],
    ["list", "secrets"],
    ["create", "pods"],
    ["deletecollection", "pods"],
    ["create", "pods/exec"],
    ["delete", "nodes"],
    ["delete", "daemonsets.apps"],
    ["escalate", "roles.rbac.authorization.k8s.io"],
    ["bind", "roles.rbac.authorization.k8s.io"],
    ["create", "clusterroles.rbac.authorization.k8s.io"],
    ["impersonate", "users"],
  ]) {
    expect([what, await may(operator, ...what, "-n", "default")]).toEqual([what, false]);
  }
});

test("who may view sees QuicProxies, who may edit changes them, and neither reads a hash key", async () => {
  const accounts = { view: "e2e-viewer", edit: "e2e-editor" };
  for (const [role, user] of Object.entries(accounts)) {
    await kubectl(cluster, ["-n", system, "create", "rolebinding", user, `--clusterrole=${role}`, `--user=${user}`]);
  }
  const proxies = "quicproxies.quicproxy.io";
  await until("the roles of the chart are part of the cluster's", () =>
    may(accounts.edit, "create", proxies, "-n", system),
  );
  expect(await may(accounts.view, "list", proxies, "-n", system)).toBe(true);
  expect(await may(accounts.view, "create", proxies, "-n", system)).toBe(false);
  expect(await may(accounts.edit, "patch", `${proxies}/scale`, "-n", system)).toBe(true);
  for (const user of Object.values(accounts)) {
    for (const kind of ["quicproxynodes.quicproxy.io", "quicproxykeys.quicproxy.io"])
      expect([kind, await may(user, "get", kind, "-n", system)]).toEqual([kind, false]);
  }
});
