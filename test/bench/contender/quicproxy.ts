import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Child, untilReady } from "../../../proxy/lab/child.ts";
import { fetchInside } from "../../../proxy/lab/fetch_inside.ts";
import type { CountersReport } from "../../../proxy/metrics/report.ts";
import { addBackends, type BenchLab, backendPort, bufferMi, type Edge, proxyPort, startAhead } from "../lab.ts";
import type { Contender } from "./measured.ts";

const program = resolve(import.meta.dirname, "../../../proxy/cli/main.ts");
const metrics = "127.0.0.1:9464";

export interface QuicproxyPlan {
  name: string;
  workers: number;
  /** Default RunToCompletion. */
  mode?: "RunToCompletion" | "Decoupled" | "Baseline";
  /** How many backends; default: the edge's one. */
  backends?: number;
  /** Further fields of spec.dataPlane, such as a level other than the best. */
  dataPlane?: Readonly<Record<string, string | number>>;
}

type Started = Required<Pick<Contender, "process" | "levels" | "metricsUrl">>;

/** Starts `quicproxy run` on a manifest and waits until it forwards. */
export async function startQuicproxy(lab: BenchLab, edge: Edge, plan: QuicproxyPlan): Promise<Started> {
  const manifest = join(lab.directory, `${edge.namespace}.yaml`);
  const backends = plan.backends === undefined ? [edge.backend] : addBackends(lab, edge, plan.backends);
  writeFileSync(manifest, manifestText(edge.namespace, backends, plan));
  const options = ["--metrics", metrics, "--state-dir", join(lab.directory, `${edge.namespace}-state`)];
  const command = [process.execPath, program, "run", "-f", manifest, ...options];
  const child: Child = startAhead(lab, { name: plan.name, namespace: edge.namespace, command });
  const metricsUrl = `http://${metrics}`;
  const report = (): Promise<CountersReport> => readCounters(edge.namespace, metricsUrl);
  await untilReady(child, () =>
    report().then(
      ({ ready }) => ready,
      () => false,
    ),
  );
  const { upstreamLevel, steering } = (await report()).status;
  return { process: child, metricsUrl, levels: { upstreamLevel, steering } };
}

/** What a quicproxy answers at /counters. */
export async function readCounters(namespace: string, metricsUrl: string): Promise<CountersReport> {
  return JSON.parse(await fetchInside(namespace, `${metricsUrl}/counters`)) as CountersReport;
}

/** Text of a manifest with limits that no measurement reaches. */
export function manifestText(name: string, backends: readonly string[], plan: QuicproxyPlan): string {
  const { workers, mode = "RunToCompletion", dataPlane = {} } = plan;
  const fields = {
    mode,
    receiveBuffer: `${bufferMi}Mi`,
    sendBuffer: `${bufferMi}Mi`,
    newFlowsPerSecond: 1_000_000,
    ...dataPlane,
  };
  return `apiVersion: quicproxy.io/v1alpha1
kind: QuicProxy
metadata: { name: ${name} }
spec:
  listeners: [{ port: ${proxyPort}, address: 0.0.0.0 }]
  backends:
    static:
${backends.map((address) => `      - { address: ${address}, port: ${backendPort} }`).join("\n")}
  routing: { connectionIdLength: 8, idleTimeout: 600s }
  dataPlane:
    workers: { min: ${workers}, max: ${workers} }
${Object.entries(fields)
  .map(([name, value]) => `    ${name}: ${value}`)
  .join("\n")}
`;
}
