import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ApiClient } from "../../../kube/client.ts";
import { RESOURCES } from "../../../kube/resources.ts";
import type { SendRequest } from "../../../kube/transport.ts";
import type { Operator } from "../../../operator/operator.ts";
import { fillCluster, PROXY, type Slices, specOf } from "../../bench/operator/cluster.ts";
import { Fleet } from "../../bench/operator/fleet.ts";
import { until } from "../../until.ts";
import { type ApiServer, startApiServer } from "./api_server.ts";
import { Admin, NAMESPACE, OPERATOR_ACCOUNT, OPERATOR_RULES } from "./fixtures.ts";
import { startOperator } from "./running_operator.ts";

/* The benchmark of docs/benchmarks.md, smaller, with what does not depend on the machine: how many writes, how large. */

const SIZE = { nodes: 100, endpoints: 500 };

interface Write {
  readonly method: string;
  readonly path: string;
  readonly octets: number;
}

let api: ApiServer;
let admin: Admin;
let operator: Operator;
let fleet: Fleet;
let slices: Slices;
let writes: Write[] = [];
let present = 0;
let most = 0;

const counting =
  (send: SendRequest): SendRequest =>
  async (request) => {
    const { method, path, body = "" } = request;
    if (method === "GET") return send(request);
    writes.push({ method, path, octets: Buffer.byteLength(body) });
    most = Math.max(most, ++present);
    return send(request).finally(() => present--);
  };

const of = (method: string, resource: string): Write[] =>
  writes.filter(
    (write) => write.method === method && new RegExp(`/${resource}/[^/]+$`).test(write.path.split("?")[0]!),
  );
const octets = (): number => writes.reduce((sum, each) => sum + each.octets, 0);

/** Every node has what the operator asks for, its status says so, and it has written nothing more for two seconds. */
async function untilSteady(): Promise<void> {
  await until("every node is programmed, and nothing more is written", async () => {
    const before = writes.length;
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const { nodes } = await admin.proxyStatus(PROXY);
    return nodes?.programmed === SIZE.nodes && nodes.ready === SIZE.nodes && writes.length === before;
  });
}

beforeAll(async () => {
  api = await startApiServer();
  admin = new Admin(new ApiClient(api.send));
  await admin.installCrds();
  await admin.namespace(NAMESPACE);
  await admin.grant(OPERATOR_ACCOUNT, OPERATOR_RULES);
  slices = await fillCluster(admin, SIZE);
  await admin.proxy(PROXY, specOf(443));
  fleet = new Fleet({ client: admin.client, numbersEveryMs: undefined });
  fleet.start();
  operator = startOperator(counting(api.sendAs(OPERATOR_ACCOUNT)));
});

afterAll(async () => {
  await operator?.stop();
  await fleet?.stop();
  await api?.stop();
});

describe("an operator of 100 nodes and 500 endpoints", () => {
  it("writes each object once at the start, 16 at a time, what must be there first first", async () => {
    await untilSteady();
    expect(of("PATCH", "quicproxynodes")).toHaveLength(SIZE.nodes);
    const at = (test: RegExp): number[] => writes.flatMap(({ path }, index) => (test.test(path) ? [index] : []));
    const index = at(/quicproxybackends\/edge\?/);
    const chunks = at(/quicproxybackends\/edge\./);
    const nodes = at(/quicproxynodes\//);
    expect([index.length, at(/controllerrevisions\//).length, at(/rolebindings\//).length]).toEqual([1, 1, 1]);
    expect(Math.max(...at(/roles\//))).toBeLessThan(Math.min(...at(/rolebindings\//)));
    expect(Math.max(...at(/rolebindings\//))).toBeLessThan(Math.min(...chunks));
    expect(Math.max(...chunks)).toBeLessThan(index[0]!);
    expect(Math.max(...nodes)).toBeLessThan(Math.min(...at(/daemonsets\//)));
    expect(most).toBeGreaterThan(8);
    expect(most).toBeLessThanOrEqual(16);
  });

  it("writes nothing in steady state, whatever the nodes repeat", async () => {
    writes = [];
    fleet.reportAll();
    const before = fleet.written;
    await until("every proxy has repeated itself", async () => fleet.written >= before + SIZE.nodes);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(writes.filter(({ path }) => !/quicproxies\/edge\/status/.test(path))).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 12_000));
    // The sums of numbers, once.
    expect(writes.length).toBeLessThanOrEqual(1);
  });

  it("answers the change of one endpoint with two writes and a deletion, whatever the number of nodes", async () => {
    await untilSteady();
    writes = [];
    await slices.turn(0);
    await until("the index is new", async () => of("PATCH", "quicproxybackends").length === 2);
    await untilSteady();
    expect(of("PATCH", "quicproxybackends")).toHaveLength(2);
    expect(of("DELETE", "quicproxybackends")).toHaveLength(1);
    expect(of("PATCH", "quicproxynodes")).toEqual([]);
    expect(octets()).toBeLessThan(100_000);
    console.log(`one of ${SIZE.endpoints} endpoints, ${SIZE.nodes} nodes: ${writes.length} writes, ${octets()} octets`);
  });

  it("writes every node object once for a change of the spec", async () => {
    writes = [];
    await admin.proxy(PROXY, specOf(8443));
    await until("all", async () => of("PATCH", "quicproxynodes").length === SIZE.nodes);
    await untilSteady();
    expect(of("PATCH", "quicproxynodes")).toHaveLength(SIZE.nodes);
    expect(of("PATCH", "quicproxybackends")).toEqual([]);
    const { items } = await admin.client.list({ resource: RESOURCES.quicProxyNodes, namespace: NAMESPACE });
    expect(new Set(items.map((item) => (item as unknown as Spec).spec.intent.listeners[0]!.port))).toEqual(
      new Set([8443]),
    );
  });
});

interface Spec {
  readonly spec: { readonly intent: { readonly listeners: readonly { readonly port: number }[] } };
}
