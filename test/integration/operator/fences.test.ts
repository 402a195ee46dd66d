import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiClient } from "../../../kube/client.ts";
import type { KubernetesObject } from "../../../kube/objects.ts";
import { apiVersionOf, RESOURCES, type Resource } from "../../../kube/resources.ts";
import type { Operator } from "../../../operator/operator.ts";
import { until } from "../../until.ts";
import { type ApiServer, startApiServer } from "./api_server.ts";
import { imageOfChart, installFences } from "./fences.ts";
import { Admin, NAMESPACE, OPERATOR_ACCOUNT, OPERATOR_RULES } from "./fixtures.ts";
import { startOperator } from "./running_operator.ts";

/*
 * What remains for whoever has the operator's token, or a proxy's: the chart's policies on a real API server. The operator is
 * stopped while its token is misused.
 */

const SPEC = {
  listeners: [{ port: 443 }],
  backends: { service: { name: "server", port: 443 } },
  nodes: { tolerations: [{ key: "edge", operator: "Exists" }] },
};
const KEYED = {
  ...SPEC,
  routing: { quicLB: [{ rotation: 0, serverIdLength: 4, nonceLength: 6, key: { secretRef: { name: "lb-key" } } }] },
};
/** A namespace in which there is no QuicProxy. */
const ELSEWHERE = "victims";
const EDGE = { namespace: NAMESPACE, name: "quicproxy-edge" };
const OWN_LABELS = {
  "app.kubernetes.io/name": "quicproxy",
  "app.kubernetes.io/managed-by": "quicproxy-operator",
  "quicproxy.io/proxy": "edge",
};
const PROXIES = { namespace: NAMESPACE, name: "quicproxy-edge" };

let api: ApiServer;
let admin: Admin;
/** With the operator's token. */
let thief: ApiClient;

const refusal = (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => "",
    (error: Error) => error.message,
  );

const start = (): Operator =>
  startOperator(api.sendAs(OPERATOR_ACCOUNT), {
    pods: {
      image: imageOfChart(),
      imagePullPolicy: "IfNotPresent",
      imagePullSecrets: ["pull"],
      priorityClass: "system-node-critical",
      capabilities: "Kernel",
      architecture: undefined,
    },
    times: { watchSeconds: 20, backoffBaseMs: 50, backoffMaxMs: 500 },
  });

/** What the API server answered to writes, such as `PATCH 200`. */
async function answersTo(operator: Operator): Promise<string[]> {
  const text = await operator.metrics.registry.getSingleMetricAsString("rest_client_requests_total");
  const calls = [...text.matchAll(/method="(PATCH|POST|PUT|DELETE)",code="(\d+)"/g)];
  return [...new Set(calls.map(([, method, code]) => `${method} ${code}`))].sort();
}

const made = (resource: Resource, { name, ...metadata }: { name: string; [field: string]: unknown }, content = {}) => {
  const place = { namespace: ELSEWHERE, name, ...metadata };
  return { apiVersion: apiVersionOf(resource), kind: resource.kind, metadata: place, ...content } as KubernetesObject;
};
const create = (resource: Resource, ...of: [{ name: string; [field: string]: unknown }, object?]) =>
  refusal(thief.apply(made(resource, ...of), { resource, fieldManager: "thief" }));

beforeAll(async () => {
  api = await startApiServer();
  admin = new Admin(new ApiClient(api.send));
  thief = new ApiClient(api.sendAs(OPERATOR_ACCOUNT));
  await admin.installCrds();
  await admin.namespace(NAMESPACE);
  await admin.namespace(ELSEWHERE);
  await admin.grant(OPERATOR_ACCOUNT, OPERATOR_RULES);
  await admin.node("node-1", {});
  await admin.node("node-2", {});
  await admin.service("server", 443);
  await admin.slice("server", [{ address: "10.1.0.1" }]);
  await installFences(admin);
  await until("the policies are in force", async () =>
    (await create(RESOURCES.serviceAccounts, { name: "probe" })).includes("ValidatingAdmissionPolicy"),
  );
});

afterAll(() => api?.stop());

describe("under the chart's policies", () => {
  let operator: Operator;
  beforeAll(() => {
    operator = start();
  });
  afterAll(() => operator?.stop());

  it("the operator does all of its work and is refused nothing", async () => {
    await admin.proxy("edge", SPEC);
    const accepted = async () => (await admin.condition("edge", "Accepted")).startsWith("True");
    await until("it is accepted", accepted);
    await until("its DaemonSet", async () => (await admin.client.get(RESOURCES.daemonSets, EDGE)) !== undefined);
    await admin.proxy("edge", KEYED);
    const text = async () => JSON.stringify(await admin.client.get(RESOURCES.daemonSets, EDGE));
    await until("a volume of the key", async () => (await text()).includes('"secretName":"lb-key"'));
    await admin.slice("server", [{ address: "10.1.0.2" }]);
    await until("other backends", async () => (await admin.backends("edge")).join() === "10.1.0.2 1");
    const label = "app.kubernetes.io/managed-by";
    await admin.client.mergePatch(RESOURCES.roles, EDGE, { metadata: { labels: { [label]: null } } });
    await until("the label that somebody took off", async () => {
      const role = await admin.client.get(RESOURCES.roles, EDGE);
      return role?.metadata.labels?.[label] === "quicproxy-operator";
    });
    await admin.proxy("edge", { ...SPEC, scaling: { nodes: 1 } });
    await until("one node", async () => (await admin.nodeObjects()).length === 1);
    await admin.proxy("edge", { ...SPEC, scaling: { nodes: 2 } });
    await until("two nodes", async () => (await admin.nodeObjects()).length === 2);
    await admin.proxy("edge", SPEC);
    await until("it is accepted again", accepted);
    await admin.proxy("gone", { ...SPEC, listeners: [{ port: 8443 }], metrics: { port: 0 }, scaling: { nodes: 1 } });
    await until("the other one", async () => (await admin.condition("gone", "Accepted")).startsWith("True"));
    const gone = { namespace: NAMESPACE, name: "gone" };
    await admin.client.delete(RESOURCES.quicProxies, gone);
    await until("it goes", async () => (await admin.client.get(RESOURCES.quicProxies, gone)) === undefined);
    await until("no node has a label of it", async () => {
      const { items } = await admin.client.list({ resource: RESOURCES.nodes });
      return items.every(({ metadata }) => Object.keys(metadata.labels ?? {}).every((key) => !/quicproxy/.test(key)));
    });
    expect(await answersTo(operator)).toEqual(["DELETE 200", "PATCH 200", "PATCH 201", "POST 201"]);
  });

  it("a QuicProxy says whose object is in its way, and goes on when that is gone", async () => {
    const taken = { namespace: NAMESPACE, name: "quicproxy-taken" };
    await admin.apply(RESOURCES.serviceAccounts, { apiVersion: "v1", kind: "ServiceAccount", metadata: taken });
    await admin.proxy("taken", { ...SPEC, listeners: [{ port: 8444 }], metrics: { port: 0 } });
    await until("it is said", async () =>
      /^False ApplyFailed: .*may not touch ServiceAccount media\/quicproxy-taken, which somebody else made/.test(
        await admin.condition("taken", "Programmed"),
      ),
    );
    await admin.client.delete(RESOURCES.serviceAccounts, taken);
    await until("it has an account of its own", async () => {
      const account = await admin.client.get(RESOURCES.serviceAccounts, taken);
      const said = await admin.condition("taken", "Programmed");
      return account?.metadata.labels?.["quicproxy.io/proxy"] === "taken" && !said.includes("ApplyFailed");
    });
  });
});

describe("with the operator's token nobody", () => {
  it("touches what somebody else made", async () => {
    const { serviceAccounts, daemonSets, controllerRevisions, roles } = RESOURCES;
    await admin.apply(serviceAccounts, made(serviceAccounts, { name: "quicproxy-edge" }));
    const { spec } = (await admin.client.get(daemonSets, EDGE)) as unknown as { spec: object };
    await admin.apply(daemonSets, made(daemonSets, { name: "quicproxy-edge" }, { spec }));
    await admin.apply(roles, made(roles, { name: "quicproxy-edge" }, { rules: [] }));
    const revision = { data: {}, revision: 1 };
    await admin.apply(controllerRevisions, made(controllerRevisions, { name: "past" }, revision));
    const said = (kind: string, name: string) =>
      `may not touch ${kind} victims/${name}, which somebody else made: it has no label app.kubernetes.io/managed-by=` +
      "quicproxy-operator; give the QuicProxy another name, or remove that object";
    const own = { name: "quicproxy-edge", labels: OWN_LABELS };
    expect(await create(serviceAccounts, own)).toContain(said("ServiceAccount", "quicproxy-edge"));
    expect(await create(daemonSets, own, { spec })).toContain(said("DaemonSet", "quicproxy-edge"));
    expect(await create(roles, own, { rules: [] })).toContain(said("Role", "quicproxy-edge"));
    const past = { namespace: ELSEWHERE, name: "past" };
    expect(await refusal(thief.delete(controllerRevisions, past))).toContain(said("ControllerRevision", "past"));
  });

  it("makes objects that do not say whose they are, or of another's name", async () => {
    const { serviceAccounts, quicProxyBackends, controllerRevisions } = RESOURCES;
    const name = "quicproxy-edge2";
    expect(await create(serviceAccounts, { name })).toContain("must have the label app.kubernetes.io/managed-by");
    const said = 'is named after the QuicProxy in its label quicproxy.io/proxy, which is "edge" here';
    for (const each of [name, "default2", "edge"])
      expect(await create(serviceAccounts, { name: each, labels: OWN_LABELS })).toContain(said);
    const spec = { proxy: "other", backends: [{ address: "10.0.0.7", port: 443, weight: 1 }] };
    expect(await create(quicProxyBackends, { name: "other", labels: OWN_LABELS }, { spec })).toContain(said);
    const revision = { data: {}, revision: 1 };
    expect(await create(controllerRevisions, { name: "quicproxy-edge-1", labels: OWN_LABELS }, revision)).toContain(
      said,
    );
    const off = { metadata: { labels: { "app.kubernetes.io/managed-by": null } } };
    expect(await refusal(thief.mergePatch(serviceAccounts, EDGE, off))).toContain("so that everybody sees whose it is");
  });

  it("deletes pods that are not of its own DaemonSets, and those it does", async () => {
    const { pods } = RESOURCES;
    const owner = { apiVersion: "apps/v1", kind: "DaemonSet", name: "quicproxy-edge", uid: "any", controller: true };
    const spec = { containers: [{ name: "a", image: "a" }] };
    const deletion = async (metadata: object): Promise<string> => {
      const name = "victim";
      await admin.apply(pods, made(pods, { name, ...metadata }, { spec }));
      const said = await refusal(thief.delete(pods, { namespace: ELSEWHERE, name }));
      await admin.client.delete(pods, { namespace: ELSEWHERE, name });
      return said;
    };
    const said = "may not delete Pod victims/victim: it is not of a DaemonSet of the operator";
    expect(await deletion({})).toContain(said);
    expect(await deletion({ labels: OWN_LABELS })).toContain(said);
    expect(await deletion({ ownerReferences: [owner] })).toContain(said);
    for (const change of [
      { name: "quicproxy-other" },
      { kind: "ReplicaSet" },
      { controller: false },
      { apiVersion: "other/v1" },
    ])
      expect(await deletion({ labels: OWN_LABELS, ownerReferences: [{ ...owner, ...change }] })).toContain(said);
    expect(await deletion({ labels: OWN_LABELS, ownerReferences: [owner] })).toBe("");
  });

  it("writes what others are to say: the spec of a QuicProxy, the status of a node", async () => {
    const { quicProxies, quicProxyNodes } = RESOURCES;
    const edge = { namespace: NAMESPACE, name: "edge" };
    const spec = { listeners: [{ port: 53 }] };
    expect(await refusal(thief.mergePatch(quicProxies, edge, { spec }))).toContain("the spec is its author's");
    const place = { namespace: NAMESPACE, name: "edge.node-1", subresource: "status" } as const;
    const said = "it has that right only to give it to proxies";
    const status = (change: object): Promise<string> =>
      refusal(thief.mergePatch(quicProxyNodes, place, { status: change }));
    expect(await status({ ready: true })).toContain(said);
    expect(await status({ readiness: "True", message: "all is well" })).toContain(said);
    expect(await status({ readiness: "Unknown", workers: 64 })).toContain(said);
  });

  it("says that a node is silent, which is the one thing that it may say in its place", async () => {
    const { quicProxyNodes } = RESOURCES;
    const place = { namespace: NAMESPACE, name: "edge.node-1", subresource: "status" } as const;
    const report = { appliedGeneration: 1, ready: true, readiness: "True", reason: "", message: "", workers: 2 };
    await admin.client.mergePatch(quicProxyNodes, place, { status: report });
    const silence = { readiness: "Unknown", reason: "NotReporting", message: "has not reported" };
    await thief.mergePatch(quicProxyNodes, place, { status: silence });
    const taken = refusal(thief.mergePatch(quicProxyNodes, place, { status: { ...silence, workers: null } }));
    expect(await taken).toContain("and nothing else");
  });
});

type Pod = Record<string, unknown> & { containers: Container[]; volumes: object[] };
type Container = Record<string, unknown> & {
  args: string[];
  env: object[];
  volumeMounts: object[];
  securityContext: Record<string, unknown>;
};

describe("with the operator's token", () => {
  const change = async (edit: (pod: Pod, container: Container) => void, labels = {}): Promise<string> => {
    const before = (await admin.client.get(RESOURCES.daemonSets, EDGE)) as unknown as {
      spec: { template: { spec: Pod } };
    };
    const pod = structuredClone(before.spec.template.spec);
    edit(pod, pod.containers[0]!);
    return refusal(
      thief.mergePatch(RESOURCES.daemonSets, EDGE, { spec: { template: { metadata: { labels }, spec: pod } } }),
    );
  };

  it.each<[string, (pod: Pod, container: Container) => void, string]>([
    ["another image", (_, it) => Object.assign(it, { image: "registry.example/x" }), "may run no image but localhost/"],
    ["another command", (_, it) => Object.assign(it, { command: ["sh"] }), "nothing but `quicproxy run`"],
    ["another argument", (_, it) => it.args.push("--key-dir", "/var/run/secrets"), "nothing but `quicproxy run`"],
    ["another QuicProxy's node", (_, it) => it.args.splice(2, 1, "a/b.c"), "nothing but `quicproxy run`"],
    [
      "a hook",
      (_, it) => Object.assign(it, { lifecycle: { postStart: { exec: { command: ["sh"] } } } }),
      "without hooks",
    ],
    [
      "a probe that runs a program",
      (_, it) => Object.assign(it, { livenessProbe: { exec: { command: ["sh", "-c", "id"] } } }),
      "may only ask the proxy for /healthz or /readyz",
    ],
    [
      "a probe of another path",
      (_, it) => Object.assign(it, { livenessProbe: { httpGet: { port: 80, path: "/admin" } } }),
      "may only ask the proxy for /healthz or /readyz",
    ],
    [
      "a probe with headers",
      (_, it) =>
        Object.assign(it, {
          livenessProbe: { httpGet: { port: 80, path: "/healthz", httpHeaders: [{ name: "a", value: "b" }] } },
        }),
      "may only ask the proxy for /healthz or /readyz",
    ],
    [
      "a Secret as a variable",
      (_, it) => it.env.push({ name: "POD_NAMESPACE", valueFrom: { secretKeyRef: { name: "s", key: "k" } } }),
      "variables POD_NAMESPACE and NODE_NAME only",
    ],
    [
      "all of a Secret as variables",
      (_, it) => Object.assign(it, { envFrom: [{ secretRef: { name: "s" } }] }),
      "variables POD_NAMESPACE and NODE_NAME only",
    ],
    [
      "options of Node.js",
      (_, it) => it.env.push({ name: "NODE_OPTIONS", value: "--import=/x.js" }),
      "variables POD_NAMESPACE and NODE_NAME only",
    ],
    ["a second container", (pod, it) => pod.containers.push({ ...it, name: "b" }), "may have one container, the proxy"],
    [
      "an initContainer",
      (pod) => Object.assign(pod, { initContainers: [{ name: "b", image: "x" }] }),
      "no initContainers",
    ],
    ["the host's files", (pod) => pod.volumes.push({ name: "root", hostPath: { path: "/" } }), "nothing of the host"],
    [
      "a Secret under another name",
      (pod) => pod.volumes.push({ name: "token", secret: { secretName: "s" } }),
      "under names that begin with key-",
    ],
    [
      "a Secret by projection",
      (pod) => pod.volumes.push({ name: "key-9", projected: { sources: [{ secret: { name: "s" } }] } }),
      "no volumes but emptyDir, and Secrets",
    ],
    [
      "a Secret in the place of a program",
      (pod, it) => {
        pod.volumes.push({ name: "key-9", secret: { secretName: "s" } });
        it.volumeMounts.push({ name: "key-9", mountPath: "/etc/quicproxy/keys/../../../usr/bin" });
      },
      "elsewhere they could replace programs",
    ],
    ["the host's processes", (pod) => Object.assign(pod, { hostPID: true }), "no hostPID, hostIPC"],
    ["the host's IPC", (pod) => Object.assign(pod, { hostIPC: true }), "no hostPID, hostIPC"],
    [
      "all rights",
      (_, it) => Object.assign(it.securityContext, { privileged: true, allowPrivilegeEscalation: true }),
      "neither privileged nor gain rights",
    ],
    [
      "rights by a program",
      (_, it) => Object.assign(it.securityContext, { allowPrivilegeEscalation: true }),
      "neither privileged nor gain rights",
    ],
    [
      "another capability",
      (_, it) => Object.assign(it.securityContext, { capabilities: { drop: ["ALL"], add: ["SYS_ADMIN"] } }),
      "no capabilities but NET_BIND_SERVICE, BPF, NET_ADMIN, NET_RAW",
    ],
    [
      "those of the runtime",
      (_, it) => Object.assign(it.securityContext, { capabilities: { add: ["BPF"] } }),
      "no capabilities but",
    ],
    [
      "system calls without a filter",
      (_, it) => Object.assign(it.securityContext, { seccompProfile: { type: "Unconfined" } }),
      "profiles RuntimeDefault",
    ],
    [
      "a root that can be written to",
      (_, it) => Object.assign(it.securityContext, { readOnlyRootFilesystem: false }),
      "a read-only root",
    ],
    [
      "options of SELinux",
      (pod) =>
        Object.assign(pod, { securityContext: { ...Object(pod.securityContext), seLinuxOptions: { role: "r" } } }),
      "no other profile, no SELinux options",
    ],
    ["a view of its processes", (pod) => Object.assign(pod, { shareProcessNamespace: true }), "shareProcessNamespace"],
    ["another directory", (_, it) => Object.assign(it, { workingDir: "/etc" }), "command, argument or directory"],
    [
      "another account",
      (pod) => Object.assign(pod, { serviceAccountName: "default", serviceAccount: "default" }),
      "as ServiceAccount quicproxy-<name of its QuicProxy> only",
    ],
  ])("no DaemonSet gets %s", async (_, edit, said) => {
    expect(await change(edit)).toContain(said);
  });

  it("no pod gets a label by which it would come under another's Service", async () => {
    expect(await change(() => {}, { app: "server" })).toContain("under a Service or a policy of somebody else");
  });

  it("what a DaemonSet has already may be written again", async () => {
    expect(await change(() => {})).toBe("");
  });
});

describe("with the operator's token", () => {
  const RBAC = "rbac.authorization.k8s.io";
  const change = (rules: object[]) => refusal(thief.mergePatch(RESOURCES.roles, EDGE, { rules }));
  const rule = (resources: string[], verbs: string[], more = {}) => {
    return { apiGroups: ["quicproxy.io"], resources, verbs, ...more };
  };

  it.each([
    ["another kind", { apiGroups: ["apps"], resources: ["daemonsets"], verbs: ["patch"] }, "and nothing else"],
    ["QuicProxies", rule(["quicproxies"], ["patch"]), "and nothing else"],
    ["to write specs", rule(["quicproxynodes"], ["patch"], { resourceNames: ["edge.node-1"] }), "and nothing else"],
    ["to delete backends", rule(["quicproxybackends"], ["delete"]), "and nothing else"],
    ["all QuicProxyNodes", rule(["quicproxynodes"], ["list"]), "of its own QuicProxy only"],
    [
      "those of another QuicProxy",
      rule(["quicproxynodes"], ["get"], { resourceNames: ["edge.node-1", "other.node-1"] }),
      "of its own QuicProxy only",
    ],
    ["all statuses", rule(["quicproxynodes/status"], ["patch"]), "of its own QuicProxy only"],
  ])("no proxy is granted %s", async (_, forbidden, said) => {
    expect(await change([forbidden])).toContain(said);
  });

  it("nobody but the proxies of a QuicProxy is granted anything", async () => {
    const name = "quicproxy-fresh";
    const labels = { ...OWN_LABELS, "quicproxy.io/proxy": "fresh" };
    const roleRef = { apiGroup: RBAC, kind: "Role", name };
    const bind = (content: object) => create(RESOURCES.roleBindings, { name, labels }, { roleRef, ...content });
    await admin.apply(RESOURCES.roles, made(RESOURCES.roles, { name }, { rules: [] }));
    for (const subject of [
      { kind: "ServiceAccount", name: "default", namespace: ELSEWHERE },
      { kind: "ServiceAccount", name, namespace: NAMESPACE },
      { apiGroup: RBAC, kind: "User", name },
      { apiGroup: RBAC, kind: "Group", name: "system:authenticated" },
    ]) {
      expect(await bind({ subjects: [subject] })).toContain("the ServiceAccount of its own name and namespace only");
    }
    const operators = { apiGroup: RBAC, kind: "ClusterRole", name: OPERATOR_ACCOUNT.name };
    expect(await bind({ roleRef: operators })).toContain("the Role of its own name only");
    expect(await bind({ subjects: [{ kind: "ServiceAccount", name, namespace: ELSEWHERE }] })).toBe("");
  });
});

describe("with a proxy's token one writes", () => {
  const write = (node: string, claim?: string): Promise<string> => {
    const client = new ApiClient(api.sendAs({ ...PROXIES, ...(claim === undefined ? {} : { node: claim }) }));
    const place = { namespace: NAMESPACE, name: `edge.${node}`, subresource: "status" } as const;
    return refusal(client.mergePatch(RESOURCES.quicProxyNodes, place, { status: { ready: true } }));
  };

  it("the status of the node that the token's pod is on", async () => {
    expect(await write("node-1", "node-1")).toBe("");
    expect(await write("node-2", "node-2")).toBe("");
  });

  it("not that of another node", async () => {
    expect(await write("node-2", "node-1")).toContain(
      "a proxy may write the status of its own node only: its token is of a pod on node node-1, QuicProxyNode edge.node-2 " +
        "is of node node-2",
    );
  });

  it("nothing where the token is of no pod", async () => {
    expect(await write("node-1")).toContain("this token names none");
  });
});
