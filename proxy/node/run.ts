import { proxyOfNodeObject } from "../../crds/node_schema.ts";
import { ApiClient } from "../../kube/client.ts";
import type { InformerTimes } from "../../kube/informer.ts";
import type { SendRequest } from "../../kube/transport.ts";
import type { HostPort } from "../../process/host_port.ts";
import type { Log } from "../../process/log.ts";
import { onceEach } from "../../process/once_each.ts";
import { type HealthServer, serveHealth } from "../metrics/health_socket.ts";
import { type ProxyDependencies, startProxy } from "../run.ts";
import { watchBackends, watchNodeObject } from "../source/kubernetes.ts";
import { lastGoodCopy } from "../source/last_good.ts";
import { NodeAgent } from "./agent.ts";
import { planNode } from "./plan_node.ts";
import { Reporter } from "./reporter.ts";

export interface NodeOptions {
  readonly namespace: string;
  /** Name of the QuicProxyNode. */
  readonly name: string;
  /** Directory of the last-good copy. Undefined: none is kept. */
  readonly lastGoodDir: string | undefined;
  /** Overrides spec.metrics. */
  readonly metrics: HostPort | "off" | undefined;
  /** Where health is asked for. Undefined: nowhere but where metrics are. */
  readonly healthSocket: string | undefined;
  /** Where the Secrets of QUIC-LB keys are mounted. */
  readonly keyDir: string;
  /** CPUs this process may use. */
  readonly cpus: number;
  readonly send: SendRequest;
  readonly times?: Partial<InformerTimes>;
}

export interface RunningNode {
  readonly agent: NodeAgent;
  stop(): Promise<void>;
}

const TICK_MS = 1000;
const REFRESH_MS = 30_000;
const TOLD_AFTER_STOP_MS = 1000;

/**
 * Runs as one node of a QuicProxy: at once from the last-good copy where there is one, and from then on as the
 * QuicProxyNode says. Never throws, and never ends by itself: what does not work is reported and tried again.
 */
export async function runNode(options: NodeOptions, dependencies: ProxyDependencies): Promise<RunningNode> {
  const { namespace, name, metrics, cpus, keyDir, send, lastGoodDir, times, healthSocket } = options;
  const { log, clock, version } = dependencies;
  const client = new ApiClient(send);
  const sayOnce = onceEach(({ message }) => log.warn(`API server: ${message}; what is in force stays`));
  let stopped = false;
  const agent: NodeAgent = new NodeAgent({
    start: (plan) => startProxy({ plan, metrics, findNotReady: () => agent.findDrained() }, dependencies),
    plan: (parts) => planNode(parts, { namespace, cpus, keyDir }),
    lastGood: lastGoodDir === undefined ? undefined : lastGoodCopy(lastGoodDir, namespace, name),
    log,
    clock,
    schedule: (act, ms) => {
      const timer = setTimeout(act, ms);
      return () => clearTimeout(timer);
    },
    onState: () => void reporter.tick(),
  });
  const reporter = new Reporter({
    client,
    namespace,
    name,
    version,
    clock,
    now: Date.now,
    state: () => (stopped ? { ...agent.state, problem: STOPPING } : agent.state),
    report: () => agent.report(),
    onError: sayOnce,
  });
  const health = await openHealth(healthSocket, agent, log);
  await agent.startFromLastGood();
  let uid = "";
  const watch = watchNodeObject({
    client,
    namespace,
    name,
    onObject: (object) => {
      if (object.uid !== uid) reporter.forget();
      uid = object.uid;
      void agent.offerSettings(object.spec, "ApiServer");
    },
    onError: sayOnce,
    ...(times === undefined ? {} : { times }),
  });
  const backends = watchBackends({
    client,
    namespace,
    proxy: proxyOfNodeObject(name),
    onSet: (set) => void agent.offerBackends(set),
    onError: sayOnce,
    ...(times === undefined ? {} : { times }),
  });
  const ticks = setInterval(() => void reporter.tick(), TICK_MS);
  const refreshes = setInterval(() => void agent.refresh(), REFRESH_MS);
  return {
    agent,
    async stop(): Promise<void> {
      clearInterval(ticks);
      clearInterval(refreshes);
      stopped = true;
      await agent.stop();
      await Promise.race([reporter.tick(), later(TOLD_AFTER_STOP_MS)]);
      await Promise.all([watch.close(), backends.close(), health?.close()]);
    },
  };
}

/** A proxy that cannot be asked for its health forwards all the same, until whoever asks in vain ends it. */
async function openHealth(path: string | undefined, agent: NodeAgent, log: Log): Promise<HealthServer | undefined> {
  if (path === undefined) return undefined;
  try {
    return await serveHealth(path, agent);
  } catch (error) {
    log.error({ err: error }, (error as Error).message);
    return undefined;
  }
}

const STOPPING = { reason: "Stopping", message: "the proxy is stopping" };

function later(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref());
}
