import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ApiClient } from "../../../kube/client.ts";
import { hasStatus } from "../../../kube/errors.ts";
import { RESOURCES } from "../../../kube/resources.ts";
import type { Operator } from "../../../operator/operator.ts";
import { HEADER } from "../../../proxy/contract/layout.ts";
import { type RunningNode, runNode } from "../../../proxy/node/run.ts";
import { FakeNative, fakeLog } from "../../unit/proxy/apply/fakes.ts";
import { until } from "../../until.ts";
import { type ApiServer, startApiServer } from "./api_server.ts";
import { Admin, NAMESPACE, OPERATOR_ACCOUNT, OPERATOR_RULES } from "./fixtures.ts";
import { startOperator } from "./running_operator.ts";

const SPEC = {
  listeners: [{ port: 4433 }],
  backends: { static: [{ address: "10.0.0.7", port: 4433 }] },
  metrics: { port: 0 },
};
const ACCOUNT = { namespace: NAMESPACE, name: "quicproxy-edge" };
const FAST = { backoffBaseMs: 20, backoffMaxMs: 300 };

let api: ApiServer;
let admin: Admin;
let operator: Operator;
let native: FakeNative;
let node: RunningNode | undefined;
let lastGoodDir: string;

/** The native side reads real contracts here, and the fake one reads JSON. */
function openDataPlane(contract: Uint8Array) {
  const translate = (octets: Uint8Array): Uint8Array => {
    const view = new DataView(octets.buffer, octets.byteOffset);
    const backends = view.getUint32(HEADER.offsets.backendCount, true);
    const fakes = Array.from({ length: backends }, (_, index) => ({ address: "10.0.0.7", port: index, weight: 1 }));
    const generation = Number(view.getBigUint64(HEADER.offsets.generation, true));
    return Buffer.from(JSON.stringify({ generation, backends: fakes }));
  };
  const plane = native.open(translate(contract));
  return { ...plane, apply: (next: Uint8Array) => plane.apply(translate(next)) };
}

async function startNode(name = "edge.node-1"): Promise<RunningNode> {
  const options = {
    namespace: NAMESPACE,
    name,
    lastGoodDir,
    metrics: undefined,
    healthSocket: undefined,
    keyDir: lastGoodDir,
    cpus: 2,
    times: FAST,
  };
  const dependencies = { openDataPlane, log: fakeLog().log, clock: () => performance.now(), version: "test" };
  node = await runNode({ ...options, send: api.sendAs(ACCOUNT) }, dependencies);
  return node;
}

const running = () => until("the proxy runs", async () => (node?.agent.state.appliedGeneration ?? 0) > 0);

beforeAll(async () => {
  api = await startApiServer();
  admin = new Admin(new ApiClient(api.send));
  await admin.installCrds();
  await admin.namespace(NAMESPACE);
  await admin.grant(OPERATOR_ACCOUNT, OPERATOR_RULES);
  await admin.node("node-1", {});
  operator = startOperator(api.sendAs(OPERATOR_ACCOUNT), { namespace: NAMESPACE, times: FAST });
  await admin.proxy("edge", SPEC);
  await until("the node object", async () => (await admin.nodeObjects()).length === 1);
});

afterAll(async () => {
  await operator?.stop();
  await api?.stop();
});

beforeEach(async () => {
  native = new FakeNative();
  lastGoodDir = await mkdtemp(join(tmpdir(), "quicproxy-last-good-"));
});

afterEach(async () => {
  await node?.stop();
  node = undefined;
  await rm(lastGoodDir, { recursive: true });
});

const statusOf = async () => {
  const object = await admin.client.get(RESOURCES.quicProxyNodes, { namespace: NAMESPACE, name: "edge.node-1" });
  return (object as { status?: Record<string, unknown> } | undefined)?.status ?? {};
};

describe("a proxy as a node of a cluster", () => {
  it("runs its object with its own ServiceAccount's rights, and reports", async () => {
    await startNode();
    await running();
    const [object] = await admin.nodeObjects();
    await until("a report", async () => (await statusOf()).appliedGeneration === object!.spec.generation);
    expect(await statusOf()).toMatchObject({ ready: true, source: "ApiServer", version: "test", workers: 2 });
  });

  it("may read no other object, and write no spec", async () => {
    const client = new ApiClient(api.sendAs(ACCOUNT));
    const other = client.get(RESOURCES.quicProxyNodes, { namespace: NAMESPACE, name: "other.node-1" });
    await expect(other).rejects.toSatisfy((error) => hasStatus(error, 403));
    const all = client.list({ resource: RESOURCES.quicProxyNodes, namespace: NAMESPACE });
    await expect(all).rejects.toSatisfy((error) => hasStatus(error, 403));
    const place = { namespace: NAMESPACE, name: "edge.node-1" };
    const write = client.mergePatch(RESOURCES.quicProxyNodes, place, { spec: { generation: 1 } });
    await expect(write).rejects.toSatisfy((error) => hasStatus(error, 403));
  });

  it("applies a change, and says what is wrong when it cannot", async () => {
    await startNode();
    await running();
    const before = node!.agent.state;
    await admin.proxy("edge", {
      ...SPEC,
      backends: {
        static: [
          { address: "10.0.0.7", port: 1 },
          { address: "10.0.0.8", port: 1 },
        ],
      },
    });
    await until("new backends", async () => node!.agent.state.appliedBackends > before.appliedBackends);
    expect(node!.agent.state.appliedGeneration).toBe(before.appliedGeneration);
    native.failWith = Object.assign(new Error("busy"), { code: "LISTEN_PORT_BUSY", endpoint: 0 });
    await admin.proxy("edge", { ...SPEC, listeners: [{ port: 8443 }] });
    await until("the trouble in its status", async () => (await statusOf()).reason === "ListenPortBusy");
    expect((await statusOf()).message).toContain("another process has this UDP port");
    native.failWith = undefined;
    await until("it went well at a later attempt", async () => (await statusOf()).reason === "");
    const last = node!.agent.state.appliedGeneration;
    await admin.proxy("edge", SPEC);
    await until("the first spec again", async () => node!.agent.state.appliedGeneration > last);
  });

  it("starts from its copy while the API server is away, and confirms it later", async () => {
    await startNode();
    await running();
    await node!.stop();
    native = new FakeNative();
    await api.pause();
    await startNode();
    expect(node!.agent.state).toMatchObject({ source: "LastGood", problem: undefined });
    expect(native.applied).toEqual([1]);
    await api.start();
    await until("it is confirmed", async () => node!.agent.state.source === "ApiServer");
    expect(native.applied).toEqual([1]);
  });
});
