import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Child } from "../../proxy/lab/child.ts";
import { type BenchLab, echoPort, startMeasured } from "./lab.ts";

export interface Contender {
  name: string;
  /** Where the client sends to. */
  address: string;
  port: number;
  /** Absent for plain routing. */
  process?: Child;
}

const program = resolve(import.meta.dirname, "../../proxy/cli/main.ts");
const bufferMi = 4;

interface Variant {
  name: string;
  port: number;
  workers: number;
}

const quicproxies: readonly (Variant & { mode: "RunToCompletion" | "Baseline" })[] = [
  { name: "quicproxy, 1 worker", port: 4441, workers: 1, mode: "RunToCompletion" },
  { name: "quicproxy, 2 workers", port: 4442, workers: 2, mode: "RunToCompletion" },
  { name: "Baseline", port: 4443, workers: 1, mode: "Baseline" },
];
const nginxes: readonly Variant[] = [
  { name: "nginx, 1 worker", port: 4451, workers: 1 },
  { name: "nginx, 2 workers", port: 4452, workers: 2 },
];

/** Whose CPU per round trip is compared with whose. */
export const comparisons: readonly (readonly [string, string])[] = [
  [quicproxies[0]!.name, nginxes[0]!.name],
  [quicproxies[1]!.name, nginxes[1]!.name],
  [quicproxies[0]!.name, quicproxies[2]!.name],
];

/** Starts all proxies beside each other on the edge: those that are not being measured have nothing to do. */
export async function startContenders(lab: BenchLab): Promise<Contender[]> {
  const address = lab.topology.edge.towardClients.v4;
  const contenders: Contender[] = [{ name: "no proxy, routed", address: lab.echoAddress, port: echoPort }];
  for (const { name, port, workers, mode } of quicproxies) {
    const manifest = join(lab.topology.directory, `edge-${port}.yaml`);
    writeFileSync(manifest, manifestText({ port, workers, mode, backend: lab.echoAddress }));
    const options = ["--metrics", "off", "--state-dir", lab.topology.directory];
    const command = [process.execPath, program, "run", "-f", manifest, ...options];
    const plan = { name, namespace: lab.topology.edge.namespace, command };
    contenders.push({ name, address, port, process: await startMeasured(lab.topology, plan, port) });
  }
  for (const { name, port, workers } of nginxes) {
    const config = join(lab.topology.directory, `nginx-${port}.conf`);
    writeFileSync(config, nginxText({ port, workers, lab }));
    const command = ["nginx", "-p", lab.topology.directory, "-c", config];
    const plan = { name, namespace: lab.topology.edge.namespace, command };
    contenders.push({ name, address, port, process: await startMeasured(lab.topology, plan, port) });
  }
  return contenders;
}

function manifestText(plan: { port: number; workers: number; mode: string; backend: string }): string {
  return `apiVersion: quicproxy.io/v1alpha1
kind: QuicProxy
metadata: { name: bench-${plan.port} }
spec:
  listeners: [{ port: ${plan.port}, address: 0.0.0.0 }]
  backends: { static: [{ address: ${plan.backend}, port: ${echoPort} }] }
  routing: { connectionIdLength: 8, idleTimeout: 120s }
  dataPlane:
    mode: ${plan.mode}
    workers: { min: ${plan.workers}, max: ${plan.workers} }
    receiveBuffer: ${bufferMi}Mi
    sendBuffer: ${bufferMi}Mi
`;
}

/** As its documentation configures UDP, with limits that no measurement reaches. */
function nginxText({ port, workers, lab }: { port: number; workers: number; lab: BenchLab }): string {
  const directory = lab.topology.directory;
  return `daemon off;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
user root;
worker_processes ${workers};
worker_rlimit_nofile 131072;
pid ${directory}/nginx-${port}.pid;
error_log ${directory}/nginx-${port}.log;
events { worker_connections 131072; }
stream {
  server {
    listen ${port} udp reuseport rcvbuf=${bufferMi}m sndbuf=${bufferMi}m;
    proxy_pass ${lab.echoAddress}:${echoPort};
    proxy_timeout 120s;
  }
}
`;
}
