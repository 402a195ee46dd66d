import type { CountersReport } from "../../proxy/metrics/report.ts";
import type { Peer } from "./peer.ts";
import type { Place } from "./place.ts";
import { Program } from "./program.ts";

const READY_LIMIT_MS = 50_000;

/** Where every proxy of these tests serves metrics and health. */
export const METRICS = "http://127.0.0.1:9464";
export const LISTEN_PORT = 443;
export const BACKEND_PORT = 4433;

/** What dataPlane.upstreamLevel is where a test does not say: the whole folder runs with both. */
export const UPSTREAM_LEVEL = process.env.QUICPROXY_TEST_UPSTREAM_LEVEL === "Sockets" ? "Sockets" : "Auto";
/** As root, Auto is the level without a socket per flow: datagrams of many flows leave in one call. */
export const SOCKET_PER_FLOW = UPSTREAM_LEVEL === "Sockets";

export interface ManifestOptions {
  /** Default: port 443 on all addresses. */
  listeners?: readonly { port: number; address?: string }[];
  backends: readonly { address: string; port: number; weight?: number; serverId?: string }[];
  health?: Record<string, unknown>;
  routing?: Record<string, unknown>;
  dataPlane?: Record<string, unknown>;
  metrics?: Record<string, unknown>;
}

/** JSON is YAML. */
export function manifest({
  listeners = [{ port: LISTEN_PORT }],
  backends,
  health,
  routing,
  dataPlane,
  metrics,
}: ManifestOptions): string {
  return JSON.stringify({
    apiVersion: "quicproxy.io/v1alpha1",
    kind: "QuicProxy",
    metadata: { name: "edge" },
    spec: {
      listeners,
      backends: { static: backends, ...(health ? { health } : {}) },
      ...(routing ? { routing } : {}),
      dataPlane: { upstreamLevel: UPSTREAM_LEVEL, ...dataPlane },
      ...(metrics ? { metrics } : {}),
    },
  });
}

export interface ProxyPlan {
  place: Place;
  namespace: string;
  /** Reads the proxy's HTTP endpoint from inside the namespace. */
  reader: Peer;
  wrapper?: readonly string[];
  stdout?: number;
  command?: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** Default: a folder of the place. */
  stateDir?: string;
  healthSocket?: string;
  /** Told of the process before it is ready. */
  meanwhile?: (proxy: ProxyProcess) => void;
  /** Default: /readyz answers 200. */
  until?: "healthy" | "ready";
}

/** `quicproxy run` on the manifest of a place. */
export class ProxyProcess extends Program {
  readonly #reader: Peer;

  private constructor({ place, stateDir, healthSocket, reader, ...options }: ProxyPlan) {
    super(place.runArguments({ stateDir, healthSocket }), options);
    this.#reader = reader;
  }

  static async start(plan: ProxyPlan): Promise<ProxyProcess> {
    const proxy = new ProxyProcess(plan);
    plan.meanwhile?.(proxy);
    const path = plan.until === "healthy" ? "/healthz" : "/readyz";
    const deadline = Date.now() + READY_LIMIT_MS;
    while (!(await proxy.answers(path))) {
      if (!proxy.running || Date.now() > deadline) {
        await proxy.stop("SIGKILL");
        throw new Error(`the proxy did not become ready:\n${proxy.output}`);
      }
      await new Promise((wake) => setTimeout(wake, 20));
    }
    return proxy;
  }

  async answers(path: string): Promise<boolean> {
    try {
      return (await this.get(path)).status === 200;
    } catch {
      return false;
    }
  }

  get(path: string): Promise<{ status: number; body: string }> {
    return this.#reader.fetch(METRICS + path);
  }

  async counters(): Promise<CountersReport> {
    return JSON.parse((await this.get("/counters")).body) as CountersReport;
  }

  /** One reading of /metrics: the value of a sample by its name and labels as written there. */
  async metrics(): Promise<(sample: string) => number> {
    const { body } = await this.get("/metrics");
    return (sample) => {
      const start = body.indexOf(`\n${sample} `);
      if (start < 0) throw new Error(`/metrics has no ${sample}`);
      return Number.parseFloat(body.slice(start + sample.length + 2));
    };
  }
}
