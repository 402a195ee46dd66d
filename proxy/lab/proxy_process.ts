import { join, resolve } from "node:path";
import type { CountersReport } from "../metrics/report.ts";
import { type Child, startChild, untilReady } from "./child.ts";
import { fetchInside } from "./fetch_inside.ts";
import type { Topology } from "./topology.ts";

const program = resolve(import.meta.dirname, "../cli/main.ts");

export interface LabProxy {
  child: Child;
  /** What /counters answers. */
  counters(): Promise<CountersReport>;
  /** The counters once no datagram has moved for 200 ms, or after 5 s. */
  restingCounters(): Promise<CountersReport>;
  /** Ends the proxy; resolves with its exit code. */
  stop(): Promise<number | string>;
}

/**
 * Starts `quicproxy run` on a manifest inside the edge namespace and waits until it is ready. Proxies beside each other
 * differ in the port of their metrics.
 */
export async function startProxyProcess(
  { edge, directory }: Topology,
  manifestFile: string,
  metricsPort = 9464,
): Promise<LabProxy> {
  const metrics = `http://127.0.0.1:${metricsPort}`;
  const options = ["--metrics", `127.0.0.1:${metricsPort}`, "--state-dir", join(directory, `state-${metricsPort}`)];
  const child = startChild({
    name: "quicproxy",
    namespace: edge.namespace,
    command: [process.execPath, program, "run", "-f", manifestFile, ...options],
    logFile: join(directory, `proxy-${metricsPort}.log`),
  });
  await untilReady(child, () => answers(edge.namespace, `${metrics}/readyz`));
  const counters = async (): Promise<CountersReport> =>
    JSON.parse(await fetchInside(edge.namespace, `${metrics}/counters`)) as CountersReport;
  return { child, counters, restingCounters: () => untilResting(counters), stop: () => child.stop() };
}

async function answers(namespace: string, url: string): Promise<boolean> {
  try {
    await fetchInside(namespace, url);
    return true;
  } catch {
    return false;
  }
}

async function untilResting(read: () => Promise<CountersReport>): Promise<CountersReport> {
  const deadline = Date.now() + 5_000;
  let before = await read();
  for (;;) {
    await new Promise((wake) => setTimeout(wake, 200));
    const now = await read();
    const moved = (["receive_datagrams", "return_received"] as const).some(
      (name) => now.totals[name] !== before.totals[name],
    );
    if (!moved || Date.now() > deadline) return now;
    before = now;
  }
}
