import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ensurePrograms, kubernetesPrograms, type Say } from "../binaries.ts";
import { type CommandLine, run } from "../cluster.ts";
import { apiReader, type ReadApi } from "./api.ts";
import { createCertificates } from "./certificates.ts";
import { createCgroup } from "./cgroups.ts";
import { type ControlPlanePlan, kubeconfigOf, planApiServer, planControllers, planEtcd } from "./control_plane.ts";
import { type Daemon, type DaemonPlan, startDaemon, untilTrue } from "./daemon.ts";
import { writePauseImage } from "./images.ts";
import { writeKubeconfig } from "./kubeconfig.ts";
import {
  insideNode,
  type KubeletFiles,
  planContainerd,
  planKubelet,
  planKubeProxy,
  startHolder,
  writePodNetwork,
} from "./node.ts";
import { startRelay } from "./relay.ts";
import { type State, writeState } from "./state.ts";
import {
  apiServicePort,
  createNetwork,
  type NodePlan,
  planTopology,
  routePods,
  type TopologyPlan,
} from "./topology.ts";

/** What the steps of a start share. */
interface Start {
  directory: string;
  plan: TopologyPlan;
  control: ControlPlanePlan;
  state: State;
  signal: AbortSignal;
}

export interface StartOptions {
  directory: string;
  say: Say;
  signal: AbortSignal;
}

/** Brings the cluster up in a directory where none is. What a failed start leaves, removeCluster takes away. */
export async function startCluster({ directory, say, signal }: StartOptions): Promise<State> {
  await ensurePrograms([...kubernetesPrograms, "helm"], say);
  signal.throwIfAborted();
  for (const folder of ["logs", "kubeconfigs"]) mkdirSync(join(directory, folder), { recursive: true });
  const plan = planTopology(directory);
  const certificates = createCertificates(join(directory, "certificates"), plan);
  const control = { host: plan.control, directory, certificates };
  const apiServer = planApiServer(control);
  const state: State = { ready: false, apiPort: 0, certificates, apiServer, daemons: {}, madeDirectories: [] };
  const start: Start = { directory, plan, control, state, signal };
  createNetwork(plan);

  const read = await timed(say, "control plane and container runtimes", async () => {
    const [read] = await settled([startApi(start), startRuntimes(start)] as const);
    return read;
  });
  await timed(say, "nodes ready", () => startNodes(start, read));
  state.ready = true;
  writeState(directory, state);
  return state;
}

async function timed<Result>(say: Say, what: string, step: () => Promise<Result>): Promise<Result> {
  const started = performance.now();
  const result = await step();
  say(`${what}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return result;
}

/** As Promise.all, but nothing goes on any more when this rejects: what was started can then be taken away. */
async function settled<Results extends readonly Promise<unknown>[]>(
  promises: Results,
): Promise<{ -readonly [Index in keyof Results]: Awaited<Results[Index]> }> {
  await Promise.allSettled(promises);
  return Promise.all(promises) as never;
}

async function launch({ state, directory, signal }: Start, plan: DaemonPlan): Promise<Daemon> {
  signal.throwIfAborted();
  const daemon = await startDaemon(plan);
  remember(directory, state, daemon);
  return daemon;
}

function remember(directory: string, state: State, daemon: Daemon): void {
  state.daemons[daemon.name] = daemon;
  writeState(directory, state);
}

async function startApi(start: Start): Promise<ReadApi> {
  const { control, directory, state } = start;
  const { certificates } = state;
  const etcd = await launch(start, planEtcd(control));
  const server = await launch(start, state.apiServer);
  const relay = await startRelay({
    namespace: control.host.namespace,
    target: { address: control.host.v4, port: apiServicePort },
    logFile: join(directory, "logs", "relay.log"),
  });
  state.apiPort = relay.port;
  remember(directory, state, relay.daemon);
  writeKubeconfig({
    file: join(directory, "kubeconfig"),
    server: `https://127.0.0.1:${relay.port}`,
    authority: certificates.authority.certificate,
    user: certificates.admin,
  });
  const read = apiReader(certificates, relay.port);
  await untilTrue("API server", [etcd, server, relay.daemon], () => read("/readyz"), start.signal);
  for (const plan of planControllers(control)) await launch(start, plan);
  return read;
}

async function startRuntimes(start: Start): Promise<void> {
  const { directory, plan, state } = start;
  const archive = join(directory, "pause.tar");
  writePauseImage(archive);
  await settled(
    plan.nodes.map(async (node) => {
      createCgroup(node.cgroup);
      const holder = await startHolder(directory, node, state);
      remember(directory, state, holder);
      const runtime = await launch(start, planContainerd({ node, holder, directory }));
      const serving = (): Promise<string> => run(insideNode(holder, ["ctr", "version"]));
      await untilTrue(`containerd on ${node.name}`, [runtime], serving, start.signal);
      await run(importCommand(holder, archive));
    }),
  );
}

/** The command line that imports an archive into a node's container runtime. */
export function importCommand(holder: Daemon, archive: string): CommandLine {
  return insideNode(holder, ["ctr", "-n", "k8s.io", "images", "import", archive]);
}

async function startNodes(start: Start, read: ReadApi): Promise<void> {
  const { control, directory, plan, signal, state } = start;
  const { certificates } = state;
  const proxyConfig = kubeconfigOf(control, "kube-proxy", certificates.kubeProxy);
  for (const node of plan.nodes) {
    const nodeStart = { node, holder: state.daemons[`${node.name}-holder`]!, directory };
    const pair = certificates.nodes[node.name]!;
    const files: KubeletFiles = {
      kubeconfig: kubeconfigOf(control, node.name, pair),
      authority: certificates.authority.certificate,
      ...pair,
    };
    await launch(start, planKubelet(nodeStart, files));
    await launch(start, planKubeProxy(nodeStart, proxyConfig));
  }
  const daemons = Object.values(state.daemons);
  await settled(
    plan.nodes.map(async (node) => {
      const range = await untilTrue(`pod range of ${node.name}`, daemons, () => podRangeOf(read, node), signal);
      routePods(plan, node, range);
      writePodNetwork(directory, node, range);
      await untilTrue(`${node.name} ready`, daemons, () => isReady(read, node), signal);
    }),
  );
  // Pods are refused until the namespace has its ServiceAccount.
  const account = "/api/v1/namespaces/default/serviceaccounts/default";
  await untilTrue("default ServiceAccount", daemons, () => read(account), signal);
}

interface NodeObject {
  spec: { podCIDR?: string };
  status: { conditions?: { type: string; status: string }[] };
}

async function readNode(read: ReadApi, { name }: NodePlan): Promise<NodeObject> {
  return (await read(`/api/v1/nodes/${name}`)) as NodeObject;
}

async function podRangeOf(read: ReadApi, node: NodePlan): Promise<string | undefined> {
  return (await readNode(read, node)).spec.podCIDR;
}

async function isReady(read: ReadApi, node: NodePlan): Promise<boolean> {
  const { conditions = [] } = (await readNode(read, node)).status;
  return conditions.some(({ type, status }) => type === "Ready" && status === "True");
}
