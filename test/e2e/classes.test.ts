import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, type ClusterNode, kubectl, workerNodes } from "../cluster/cluster.ts";
import { helm, release } from "../cluster/product.ts";
import { findCluster } from "../cluster/provider.ts";
import { until } from "../until.ts";
import { Echo } from "./scene/echo.ts";
import { apply, condition, list, tryApply, untilEqual } from "./scene/objects.ts";
import { clientsHostAddress, install, system, uninstall } from "./scene/product.ts";

/*
 * A tenant who may write QuicProxies, and whatever else edit gives him, in one namespace: what his class keeps him from, and
 * what becomes of what runs when the class changes.
 */

const namespace = "e2e-classes";
const limited = "e2e-classes-limited";
const tenant = "e2e-tenant";
const listenPort = 7_031;
/** One for each roll: a flow of before, whose source port comes again, still goes to the server that it knows. */
const ports = [9_431, 9_432, 9_433, 9_434];

let cluster: Cluster;
let nodes: ClusterNode[];
let host: string;
let echo: Echo;
let at = 0;

const quicProxy = (name: string, spec: object, where = namespace): object => {
  return { apiVersion: "quicproxy.io/v1alpha1", kind: "QuicProxy", metadata: { namespace: where, name }, spec };
};
const quicProxyClass = (spec: object): object => {
  return { apiVersion: "quicproxy.io/v1alpha1", kind: "QuicProxyClass", metadata: { name: tenant }, spec };
};
const edge = (): object => {
  const backends = { service: { name: "echo", portName: "echo" } };
  return quicProxy("edge", { className: tenant, listeners: [{ port: listenPort }], backends });
};
const slice = (): object => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { namespace, name: "echo-1", labels: { "kubernetes.io/service-name": "echo" } },
  addressType: "IPv4",
  ports: [{ name: "echo", port: ports[at], protocol: "UDP" }],
  endpoints: [{ addresses: [host], conditions: { ready: true } }],
});

/** All that the tests need, and nothing that others have. */
const wide = (): object => ({
  listenerPorts: [{ first: 7_000, last: 7_999 }],
  destinations: { cidrs: [`${host}/32`, "10.0.0.0/8"] },
});

const said = (type: string, name = "edge", where = namespace): Promise<string> => condition(cluster, where, name, type);
const label = (): string => `server on ${ports[at]}`;
const addresses = (): string[] => nodes.map(({ v4 }) => v4!);

async function roll(): Promise<number> {
  at++;
  const since = Date.now();
  await apply(cluster, slice());
  return since;
}

async function answers(since: number): Promise<void> {
  await until(`${label()} answers through every node`, async () => {
    return !echo.since(since, label(), addresses()).includes(undefined);
  });
}

beforeAll(async () => {
  cluster = await findCluster(console.log);
  nodes = await workerNodes(cluster);
  host = await clientsHostAddress(cluster);
  await install(cluster);
  echo = new Echo(cluster);
  await Promise.all(ports.map((port) => echo.answer(port, `server on ${port}`)));
  const subject = { kind: "User", apiGroup: "rbac.authorization.k8s.io", name: tenant };
  const service = { ports: [{ name: "echo", port: 7, protocol: "UDP" }] };
  const hard = { "limits.cpu": "4", "limits.memory": "4Gi" };
  await apply(
    cluster,
    { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    { apiVersion: "v1", kind: "Namespace", metadata: { name: limited } },
    { apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "limits", namespace: limited }, spec: { hard } },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: tenant, namespace },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "edit" },
      subjects: [subject],
    },
    { apiVersion: "v1", kind: "Service", metadata: { namespace, name: "echo" }, spec: service },
    slice(),
    quicProxyClass(wide()),
    edge(),
  );
  await echo.ask(listenPort, addresses());
  await answers(0);
}, 400_000);

afterAll(async () => {
  echo?.stop();
  for (const name of [namespace, limited]) {
    await kubectl(cluster, ["delete", "namespace", name, "--ignore-not-found", "--timeout=180s"]);
  }
  await kubectl(cluster, ["delete", "quicproxyclass", tenant, "--ignore-not-found"]);
  await uninstall(cluster).catch(() => undefined);
  await kubectl(cluster, ["delete", "namespace", system, "--ignore-not-found", "--timeout=180s"]);
}, 400_000);

describe("a tenant", () => {
  test("may write QuicProxies and no class", async () => {
    const canI = (verb: string, what: string): Promise<string> =>
      kubectl(cluster, ["-n", namespace, "auth", "can-i", verb, what, `--as=${tenant}`]).catch(() => "no");
    expect((await canI("create", "quicproxies.quicproxy.io")).trim()).toBe("yes");
    for (const verb of ["create", "update", "patch", "delete"]) {
      expect((await canI(verb, "quicproxyclasses.quicproxy.io")).trim()).toBe("no");
    }
  });

  test("is refused addresses of nodes, Services and others' pods, ports, tolerations and sizes, all at once", async () => {
    const [{ status: pod } = {}] = await list(cluster, "pods", ["-n", system]);
    const { podIP } = pod as { podIP: string };
    const address = (each: string) => ({ address: each, port: 53 });
    const greedy = quicProxy("greedy", {
      className: tenant,
      listeners: [{ port: 443 }],
      backends: { static: [nodes[0]!.v4!, "10.96.0.1", podIP].map(address) },
      nodes: { tolerations: [{ key: "node-role.kubernetes.io/control-plane", operator: "Exists" }] },
      dataPlane: { flowMemory: "64Gi" },
    });
    await apply(cluster, greedy);
    await until("it is refused", async () => (await said("Accepted", "greedy")).startsWith("False NotAllowedByClass"));
    const message = await said("Accepted", "greedy");
    for (const fault of [
      /listeners\[0\]\.port: is 443; allowed by QuicProxyClass e2e-tenant: 7000-7999/,
      /tolerations\[0\]: tolerates node-role\.kubernetes\.io\/control-plane/,
      /flowMemory: is 64Gi; .*at most 1Gi/,
      /static\[0\]\.address: \S+ is an address of a node/,
      /static\[1\]\.address: 10\.96\.0\.1 is an address of a Service/,
      /static\[2\]\.address: \S+ is an address of pods/,
    ])
      expect(message).toMatch(fault);
    expect(await list(cluster, "daemonsets", ["-n", namespace, "-l", "quicproxy.io/proxy=greedy"])).toEqual([]);
    await kubectl(cluster, ["-n", namespace, "delete", "qp", "greedy"]);
  });

  test("is refused a Service of another namespace without a ReferenceGrant, whose kind nobody installed", async () => {
    const backends = { service: { name: "kubernetes", namespace: "default", port: 443 } };
    await apply(cluster, quicProxy("across", { className: tenant, listeners: [{ port: 7_032 }], backends }));
    await until("it is refused", async () =>
      /^False RefNotPermitted: .*its CRD is not installed/.test(await said("Accepted", "across")),
    );
    await kubectl(cluster, ["-n", namespace, "delete", "qp", "across"]);
  });

  test("is told the class that is not there", async () => {
    await apply(
      cluster,
      quicProxy("lost", { className: "gone", listeners: [{ port: 7_033 }], backends: { static: [] } }),
    );
    await until("it is refused", async () =>
      /^False ClassNotFound: .*no QuicProxyClass gone; allowed: .*e2e-tenant/.test(await said("Accepted", "lost")),
    );
    await kubectl(cluster, ["-n", namespace, "delete", "qp", "lost"]);
  });
});

describe("a class that is changed under traffic", () => {
  test("no longer allows the port: it says so, and what runs goes on and follows its endpoints", async () => {
    await apply(cluster, quicProxyClass({ ...wide(), listenerPorts: [{ first: 443, last: 443 }] }));
    await until("it is said", async () => (await said("Accepted")).startsWith("False NotAllowedByClass"));
    expect(await said("Accepted")).toContain("the last accepted spec stays in force");
    await answers(await roll());
    await until("it is ready", async () => /^True Ready: .*by the last accepted spec$/.test(await said("Ready")));
  });

  test("no longer allows the destination: it is left out at once and named, and used again once it is allowed", async () => {
    await apply(cluster, quicProxyClass({ ...wide(), destinations: { cidrs: [] } }));
    await until("the endpoint is left out", async () =>
      new RegExp(`^True EndpointsLeftOut: ${host} of Service`).test(await said("Degraded")),
    );
    await until("nodes have it", async () => (await said("Programmed")).startsWith("True"));
    const since = await roll();
    await sleep(5_000);
    expect(echo.since(since, label(), addresses())).toEqual(addresses().map(() => undefined));
    await apply(cluster, quicProxyClass(wide()));
    await answers(since);
    await until("it is accepted", async () => (await said("Accepted")).startsWith("True"));
  });

  test("is deleted: nothing stops", async () => {
    await kubectl(cluster, ["delete", "quicproxyclass", tenant]);
    await until("it is said", async () => (await said("Accepted")).startsWith("False ClassNotFound"));
    await answers(await roll());
    await apply(cluster, quicProxyClass(wide()));
    await until("it is accepted", async () => (await said("Accepted")).startsWith("True"));
  });
});

describe("K12: a namespace with a quota of limits", () => {
  const inLimited = (resources?: object): object =>
    quicProxy(
      "edge",
      {
        listeners: [{ port: 7_034 }],
        backends: { static: [] },
        metrics: { port: 9_484 },
        ...(resources === undefined ? {} : { resources }),
      },
      limited,
    );

  test("says what it asks for and where to set it; then pods are made", async () => {
    await apply(cluster, inLimited());
    await until("the cause is said", async () =>
      /PodsRefused: .*must specify limits\.cpu.*spec\.resources of the QuicProxy/.test(
        await said("Programmed", "edge", limited),
      ),
    );
    await apply(cluster, inLimited({ limits: { cpu: "1", memory: "1Gi" } }));
    await until("it runs", async () => (await said("Programmed", "edge", limited)).startsWith("True"));
  });

  test("a limit of memory below what the tables need is refused with the number", async () => {
    await apply(cluster, inLimited({ limits: { cpu: "1", memory: "64Mi" } }));
    await until("it is refused", async () =>
      /^False InvalidSpec: .*is 64Mi, and the proxy needs \d+Mi/.test(await said("Accepted", "edge", limited)),
    );
  });
});

describe("the class of the chart", () => {
  interface Printed {
    metadata: { uid: string };
  }
  const uid = async (): Promise<string> =>
    (JSON.parse(await kubectl(cluster, ["get", "quicproxyclass", "default", "-o", "json"])) as Printed).metadata.uid;

  test("outlasts upgrades as the object that it is, and is Helm's from the second on", async () => {
    const before = await uid();
    await install(cluster);
    await untilEqual("it is the same", uid, before);
    expect(await helm(cluster, ["get", "manifest", release])).toContain("kind: QuicProxyClass");
  });

  test("is what kubectl explains and shows", async () => {
    expect(await kubectl(cluster, ["explain", "quicproxyclass.spec.destinations"])).toContain("guarded");
    expect(await kubectl(cluster, ["get", "qpc"])).toMatch(
      /NAME +DEFAULT +FLOWMEMORY +CIDRS +AGE\n(.*\n)*default +true/,
    );
  });

  test("is refused by the API server where it makes no sense", async () => {
    for (const [spec, words] of [
      [{ destinations: { cidrs: ["10.0.0.0/33"] } }, /a range of IPv4 or IPv6 addresses/],
      [{ destinations: { cidrs: ["::ffff:10.0.0.0/104"] } }, /a range of IPv4 or IPv6 addresses/],
      [{ listenerPorts: [{ first: 9, last: 8 }] }, /first at most last/],
      [{ resources: { requests: { cpu: "2" }, limits: { cpu: "1500m" } } }, /cpu: requests at most the limits/],
    ] as const) {
      const { accepted, said: answer } = await tryApply(cluster, quicProxyClass(spec));
      expect(accepted).toBe(false);
      expect(answer).toMatch(words);
    }
  });
});
