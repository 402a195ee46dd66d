import type { Scene } from "../scene.ts";
import { holdThread, startProxy, threadNamed } from "../stage/proxy.ts";
import { BACKEND_PORT, CLIENT } from "../stage/stage.ts";

const backend = { address: CLIENT, port: BACKEND_PORT };

const CLEAN_BEFORE = ["udp4.InErrors", "udp4.NoPorts"];
/** The kernel has given the proxy all that came. */
const arrived = {
  exitCode: 1,
  moves: { "udp4.InDatagrams": 500 },
  still: CLEAN_BEFORE,
  reach: "namespace",
} as const;

export const ringFull: Scene = {
  fault: "the proxy's ring (mode Decoupled)",
  handOff: "6",
  verdict: "proxy-ring-full",
  remedy: /dataPlane\.workers/,
  ...arrived,
  play: async (stage) => {
    await stage.serve({ echo: true });
    const proxy = await startProxy(stage, { backends: [backend], dataPlane: { mode: "Decoupled" } });
    // The receiving thread goes on: what it takes has nowhere to go.
    await holdThread(stage, threadNamed(proxy.pid, "qp-worker-0"));
    await stage.send({ rate: 3000, size: 200 });
  },
};

export const tableFull: Scene = {
  fault: "the proxy's table of flows is full",
  handOff: "7",
  verdict: "flow-table-full",
  remedy: /idleTimeout/,
  ...arrived,
  play: async (stage) => {
    await stage.serve({ echo: true });
    const proxy = await startProxy(stage, { backends: [backend], dataPlane: { flowMemory: "1Mi" } });
    await stage.fillFlows({ flows: (await proxy.counters()).status.flowCapacity });
  },
};

export const newFlowBudget: Scene = {
  fault: "more new flows than the budget",
  handOff: "7",
  verdict: "new-flow-budget",
  remedy: /newFlowsPerSecond/,
  ...arrived,
  play: async (stage) => {
    await stage.serve({ echo: true });
    await startProxy(stage, { backends: [backend], dataPlane: { newFlowsPerSecond: 100 } });
    await stage.sendRaw({ "new-ports": true, rate: 2000, size: 200 });
  },
};

export const noBackend: Scene = {
  fault: "no backend takes new connections",
  handOff: "7",
  verdict: "no-backend",
  remedy: /weight/,
  ...arrived,
  play: async (stage) => {
    await startProxy(stage, { backends: [{ ...backend, weight: 0 }] }, "healthy");
    await stage.send();
  },
};

export const deadBackend: Scene = {
  fault: "dead backend",
  handOff: "9",
  verdict: "backend-silent",
  remedy: /doctor there/,
  exitCode: 1,
  moves: { "udp4.InDatagrams": 500, "ip4.OutRequests": 500 },
  still: CLEAN_BEFORE,
  reach: "namespace",
  play: async (stage) => {
    await stage.serve();
    await startProxy(stage, { backends: [backend] });
    await stage.send();
  },
};

export const refusingBackend: Scene = {
  fault: "refusing backend",
  handOff: "9",
  verdict: "backend-refuses",
  remedy: /Start the server/,
  exitCode: 1,
  moves: { "udp4.InDatagrams": 500, "icmp4.InDestUnreachs": 10 },
  reach: "namespace",
  play: async (stage) => {
    // Else the other end answers once a second only.
    stage.onClient("sh", "-c", "echo 0 >/proc/sys/net/ipv4/icmp_ratemask");
    await startProxy(stage, { backends: [backend] });
    await stage.send();
  },
};
