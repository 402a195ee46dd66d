import { resolve } from "node:path";
import type { CountersReport } from "../metrics/report.ts";
import { runBounded } from "./bounded.ts";
import { type Content, createCertificate, createContent } from "./content.ts";
import type { MappingPlan, MappingReport } from "./nat.ts";
import { startNat } from "./nat_process.ts";
import { type DownloadResult, type DownloadTarget, download, ngtcp2 } from "./peers.ts";
import { type LabProxy, startProxyProcess } from "./proxy_process.ts";
import type { Topology } from "./topology.ts";

export interface ScenarioPlan {
  /** Plain downloads, IPv4 and IPv6 in turn. */
  downloads: number;
  /** Clients whose address changes during their download. */
  roaming: number;
  /** How many run at a time. */
  concurrency: number;
  /** Called before the first download and after each. */
  onProgress: (progress: ScenarioProgress) => void;
  signal: AbortSignal;
}

export interface ScenarioProgress {
  done: number;
  failed: number;
  of: number;
}

export interface ScenarioResult {
  downloads: DownloadResult[];
  roaming: { download: DownloadResult; mapping: MappingReport }[];
  counters: CountersReport;
  durationMs: number;
}

/** What runs in a lab. */
export interface Scene {
  topology: Topology;
  proxy: LabProxy;
  content: Content;
}

const manifestFile = resolve(import.meta.dirname, "../../examples/edge.yaml");
const contentBytes = 1024 * 1024;
const listenerPort = 443;
const firstInnerPort = 7001;
// Below the kernel's ephemeral range, so that no other client comes from the same address and port.
const firstOuterPort = 20_001;
const rebindAfterDatagrams = 200;

/** Starts the servers and the proxy of the demo. */
export async function setScene(topology: Topology): Promise<Scene> {
  const { directory, backends } = topology;
  const certificate = createCertificate(directory);
  const names = backends.map(({ name }) => name);
  const [content] = createContent(directory, names, { "content.bin": contentBytes });
  const servers = backends.map((place) => ngtcp2.startServer({ place, directory, certificate }));
  const [proxy] = await Promise.all([startProxyProcess(topology, manifestFile), ...servers]);
  return { topology, proxy, content: content! };
}

/** Downloads through the proxy, roaming clients among the plain ones, and reads the counters when all is at rest. */
export async function runScenario(scene: Scene, plan: ScenarioPlan): Promise<ScenarioResult> {
  const started = performance.now();
  const nat = plan.roaming > 0 ? await startNat(scene.topology, planMappings(scene.topology, plan.roaming)) : undefined;
  const all = await runDownloads(scene, plan);
  const counters = await scene.proxy.restingCounters();
  const mappings = (await nat?.stop()) ?? [];
  return {
    downloads: all.slice(plan.roaming),
    roaming: mappings.map((mapping, index) => ({ download: all[index]!, mapping })),
    counters,
    durationMs: performance.now() - started,
  };
}

/** One mapping per roaming client: IPv4 and IPv6 in turn; every second pair changes address and port, others the port. */
export function planMappings({ client, edge }: Topology, count: number): MappingPlan[] {
  return Array.from({ length: count }, (_, index) => {
    const family = familyOf(index);
    const next = index % 4 < 2 ? client.own : client.alternate;
    return {
      inner: innerTarget(index),
      remote: { address: edge.towardClients[family], port: listenerPort },
      outer: [
        { address: client.own[family], port: firstOuterPort + 2 * index },
        { address: next[family], port: firstOuterPort + 2 * index + 1 },
      ],
      rebindAfter: rebindAfterDatagrams,
    };
  });
}

function familyOf(index: number): "v4" | "v6" {
  return index % 2 === 0 ? "v4" : "v6";
}

function innerTarget(index: number): DownloadTarget {
  return { address: familyOf(index) === "v4" ? "127.0.0.1" : "::1", port: firstInnerPort + index };
}

/** The results of the roaming clients first, then of the plain ones; run in an order that mixes them. */
async function runDownloads({ topology, content }: Scene, plan: ScenarioPlan): Promise<DownloadResult[]> {
  const { client, edge, directory } = topology;
  const total = plan.downloads + plan.roaming;
  const target = (index: number): DownloadTarget =>
    index < plan.roaming ? innerTarget(index) : { address: edge.towardClients[familyOf(index)], port: listenerPort };
  const progress = { done: 0, failed: 0, of: total };
  plan.onProgress({ ...progress });
  const order = mixedOrder(plan.roaming, plan.downloads);
  const results: DownloadResult[] = new Array(total);
  const task = async (index: number): Promise<void> => {
    const name = `${index < plan.roaming ? "roaming" : "plain"}-${index}`;
    const common = { stack: ngtcp2, namespace: client.namespace, directory, content };
    results[index] = await download({ ...common, name, target: target(index) });
    progress.done++;
    if (results[index].fault !== undefined) progress.failed++;
    plan.onProgress({ ...progress });
  };
  await runBounded(order, plan.concurrency, task, plan.signal);
  return results;
}

/** The numbers 0 to few + many - 1, the first `few` of them spread evenly among the others. */
export function mixedOrder(few: number, many: number): number[] {
  const total = few + many;
  const place = (index: number): number =>
    index < few ? ((index + 0.5) * total) / few : ((index - few + 0.5) * total) / many;
  return Array.from({ length: total }, (_, index) => index).sort((a, b) => place(a) - place(b));
}
