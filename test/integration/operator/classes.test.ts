import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ApiClient } from "../../../kube/client.ts";
import { RESOURCES } from "../../../kube/resources.ts";
import type { Operator } from "../../../operator/operator.ts";
import { until } from "../../until.ts";
import { type ApiServer, startApiServer } from "./api_server.ts";
import { Admin, NAMESPACE, OPERATOR_ACCOUNT, OPERATOR_RULES } from "./fixtures.ts";
import { referenceGrantCrd, referenceGrants } from "./reference_grants.ts";
import { startOperator } from "./running_operator.ts";

const TIMES = { watchSeconds: 20, backoffBaseMs: 50, backoffMaxMs: 500 };
const LISTENERS = [{ port: 443 }];
const SERVICE = { listeners: LISTENERS, backends: { service: { name: "server", port: 443 } } };
const STATIC = { listeners: LISTENERS, backends: { static: [{ address: "198.51.100.7", port: 4433 }] } };
const ACROSS = { listeners: LISTENERS, backends: { service: { name: "shared", namespace: "infra", port: 443 } } };
const TENANT = { destinations: { cidrs: ["198.51.100.0/24"] } };
const EDGE = { namespace: NAMESPACE, name: "edge" };

let api: ApiServer;
let admin: Admin;
let operator: Operator;

const start = (): Operator => startOperator(api.sendAs(OPERATOR_ACCOUNT), { times: TIMES, grantsLookEveryMs: 200 });

const accepted = (): Promise<string> => admin.condition("edge", "Accepted");

const untilAccepted = (wanted: RegExp): Promise<number> =>
  until(`Accepted is ${wanted}`, async () => {
    const is = await accepted();
    if (wanted.test(is)) return true;
    throw new Error(is);
  });

const untilBackends = (...wanted: string[]): Promise<number> =>
  until(`backends are ${wanted.join(", ")}`, async () => {
    const is = await admin.backends("edge");
    if (JSON.stringify(is) === JSON.stringify(wanted)) return true;
    throw new Error(is.join(", "));
  });

async function writes(): Promise<number> {
  const text = await operator.metrics.registry.getSingleMetricAsString("rest_client_requests_total");
  const counts = [...text.matchAll(/method="(?:PATCH|POST|PUT|DELETE)".*\} (\d+)/g)].map(([, count]) => Number(count));
  return counts.reduce((sum, count) => sum + count, 0);
}

beforeAll(async () => {
  api = await startApiServer();
  admin = new Admin(new ApiClient(api.send));
  await admin.installCrds();
  await admin.namespace(NAMESPACE);
  await admin.namespace("infra");
  await admin.grant(OPERATOR_ACCOUNT, OPERATOR_RULES);
  await admin.node("node-1", { edge: "" });
  await admin.service("server", 443);
  await admin.podSlice(NAMESPACE, "server", ["10.1.0.1"]);
  await admin.service("shared", 443, "infra");
  await admin.podSlice("infra", "shared", ["10.1.0.9"]);
});

afterAll(() => api?.stop());

beforeEach(async () => {
  await admin.quicProxyClass("tenant", TENANT, false);
  operator = start();
});

/** No controller collects garbage here. */
afterEach(async () => {
  await operator.stop();
  await admin.client.delete(RESOURCES.quicProxies, EDGE);
  for (const resource of [RESOURCES.controllerRevisions, RESOURCES.daemonSets, RESOURCES.quicProxyBackends]) {
    const { items } = await admin.client.list({ resource, namespace: NAMESPACE });
    for (const { metadata } of items)
      await admin.client.delete(resource, { namespace: NAMESPACE, name: metadata.name });
  }
});

describe("a class on a real API server", () => {
  it("is narrowed, deleted and made again while a QuicProxy runs; an idle operator writes nothing in each state", async () => {
    await admin.proxy("edge", { ...STATIC, className: "tenant" });
    await untilAccepted(/^True/);
    await untilBackends("198.51.100.7 1");
    expect(await admin.proxyStatus("edge")).toMatchObject({ className: "tenant" });

    await admin.quicProxyClass("tenant", { ...TENANT, listenerPorts: [{ first: 5000, last: 5001 }] }, false);
    await untilAccepted(
      /^False NotAllowedByClass: spec\.listeners\[0\]\.port: is 443; allowed by QuicProxyClass tenant: 5000-5001/,
    );
    await untilBackends("198.51.100.7 1");
    const before = await writes();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await writes()).toBe(before);

    await admin.client.delete(RESOURCES.quicProxyClasses, { name: "tenant" });
    await untilAccepted(/^False ClassNotFound/);
    await untilBackends("198.51.100.7 1");

    await admin.quicProxyClass("tenant", { destinations: { cidrs: [] } }, false);
    await untilAccepted(/^False NotAllowedByClass: spec\.backends\.static\[0\]\.address/);
    await untilBackends();

    await admin.quicProxyClass("tenant", TENANT, false);
    await untilAccepted(/^True/);
    await untilBackends("198.51.100.7 1");
  });

  it("is remembered by the next operator, also where it is gone meanwhile", async () => {
    await admin.proxy("edge", { ...STATIC, className: "tenant" });
    await untilBackends("198.51.100.7 1");
    await operator.stop();
    await admin.client.delete(RESOURCES.quicProxyClasses, { name: "tenant" });
    operator = start();
    await untilAccepted(/^False ClassNotFound/);
    await untilBackends("198.51.100.7 1");
  });

  it("lets an address in once an EndpointSlice says that it is a pod's, and leaves it out when that goes", async () => {
    await admin.proxy("edge", {
      ...STATIC,
      className: "tenant",
      backends: { static: [{ address: "10.1.0.5", port: 4433 }] },
    });
    await untilAccepted(/^False NotAllowedByClass: .*10\.1\.0\.5 is neither a pod/);
    await admin.podSlice(NAMESPACE, "other", ["10.1.0.5"]);
    await untilAccepted(/^True/);
    await untilBackends("10.1.0.5 1");
    await admin.podSlice(NAMESPACE, "other", []);
    await untilBackends();
  });
});

describe("resources of the pods", () => {
  it("are as the API server writes them: nothing is written twice", async () => {
    const resources = { requests: { cpu: "1000m", memory: "1024Mi" }, limits: { cpu: "1.5", memory: "2147483648" } };
    await admin.proxy("edge", { ...SERVICE, resources });
    await untilAccepted(/^True/);
    // An operator that remembers no answer.
    await operator.stop();
    operator = start();
    await until("it is ready", async () => operator.notReady() === undefined);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect(await writes()).toBe(0);
    expect(
      await admin.client.get(RESOURCES.daemonSets, { namespace: NAMESPACE, name: "quicproxy-edge" }),
    ).toBeDefined();
  });

  it.each([
    [{ requests: { cpu: "2" }, limits: { cpu: "1500m" } }, /cpu: requests at most the limits/],
    [{ requests: { memory: "2Gi" }, limits: { memory: "1Gi" } }, /memory: requests at most the limits/],
    [{ limits: { cpu: "1e3" } }, /limits\.cpu/],
    [{ limits: { memory: "1Ti" } }, /limits\.memory/],
  ])("are refused at the door: %j", async (resources, message) => {
    await expect(admin.proxy("edge", { ...SERVICE, resources })).rejects.toThrow(message);
  });
});

describe("a Service of another namespace", () => {
  // Kong/kong-operator #5087: only v1 was looked for, and installations of v1beta1 had no grants.
  it.each([
    "v1beta1",
    "v1",
  ])("is used by a ReferenceGrant of %s, whose kind comes and goes while the operator runs", async (version) => {
    await admin.proxy("edge", ACROSS);
    await untilAccepted(/^False RefNotPermitted: .*its CRD is not installed/);
    const grants = referenceGrants(version);
    await admin.crd(referenceGrantCrd(version));
    await untilAccepted(/^False RefNotPermitted: .*no ReferenceGrant in infra/);
    const spec = {
      from: [{ group: "quicproxy.io", kind: "QuicProxy", namespace: NAMESPACE }],
      to: [{ group: "", kind: "Service", name: "shared" }],
    };
    const grant = {
      apiVersion: `${grants.group}/${version}`,
      kind: grants.kind,
      metadata: { namespace: "infra", name: "g" },
    };
    await until("the kind is served", async () => {
      await admin.apply(grants, { ...grant, spec });
      return true;
    });
    await untilAccepted(/^True/);
    await untilBackends("10.1.0.9 1");

    await admin.client.delete(grants, { namespace: "infra", name: "g" });
    await untilAccepted(/^False RefNotPermitted/);
    await untilBackends();

    await admin.apply(grants, { ...grant, spec });
    await untilBackends("10.1.0.9 1");
    await admin.removeCrd("referencegrants.gateway.networking.k8s.io");
    await untilAccepted(/^False RefNotPermitted/);
    await untilBackends();
    expect(operator.notReady()).toBeUndefined();
  });
});
