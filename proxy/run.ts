import type { HostPort } from "../process/host_port.ts";
import { formatAddress } from "../process/host_port.ts";
import { Controller, type ControllerDependencies } from "./apply/controller.ts";
import type { Plan, PlanManifest } from "./apply/plan.ts";
import { HealthMonitor, type HostDependencies } from "./health/monitor.ts";
import { systemDependencies } from "./health/system.ts";
import { HttpEndpoint } from "./metrics/endpoint.ts";
import { type ProxyView, proxyRoutes } from "./metrics/routes.ts";
import { startSampleLog } from "./sampling/sample_log.ts";
import type { ManifestEvent } from "./source/file.ts";

export interface ProxyDependencies extends ControllerDependencies {
  /** Not needed where plans are applied as such. */
  planManifest?: PlanManifest;
  /** In place of the host's sockets and timers for health checks. */
  health?: Partial<HostDependencies>;
  /** Lines that the log could not take since the start. Default: none. */
  logLinesLost?: () => number;
}

/** The parts that run as long as the proxy does. */
interface Running {
  controller: Controller;
  health: HealthMonitor;
  logLinesLost: () => number;
}

export interface ProxyOptions {
  plan: Plan;
  /** Overrides the manifest, now and after every reload. */
  metrics?: HostPort | "off" | undefined;
}

export interface RunningProxy extends ProxyView {
  /** Where metrics and health are served; undefined for nowhere. */
  readonly metricsAddress: HostPort | undefined;
  /** Applies a changed manifest or keeps what is in force. Never throws. */
  onManifest(event: ManifestEvent): Promise<void>;
  /** Applies a plan, or keeps what is in force and says why. Never throws. */
  apply(plan: Plan): Promise<Error | undefined>;
  /** Stops forwarding and closes everything. */
  stop(): Promise<void>;
}

/** How late the log tells of changed addresses and routes at most; the data plane follows them by itself. */
const NETWORK_LOG_MS = 1000;

function chooseMetrics(override: ProxyOptions["metrics"], plan: Plan): HostPort | undefined {
  return override === "off" ? undefined : (override ?? plan.metrics);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function startRunning(plan: Plan, dependencies: ProxyDependencies): Running {
  const { log, clock, health, logLinesLost = () => 0 } = dependencies;
  const controller = new Controller(plan, dependencies);
  const monitor = new HealthMonitor(plan, controller, { ...systemDependencies(), ...health, log, clock });
  return { controller, health: monitor, logLinesLost };
}

function viewOf({ controller, health, logLinesLost }: Running): ProxyView {
  return {
    report: () => ({ ...controller.report(), health: health.report(), logLinesLost: logLinesLost() }),
    findUnhealthy: () => controller.findUnhealthy(),
    findNotReady: () => controller.findNotReady(),
  };
}

/**
 * Starts metrics and health first, then the data plane: a taken metrics port is found before a datagram arrives.
 * Throws HttpListenError or ApplyError with everything closed again.
 */
export async function startProxy(options: ProxyOptions, dependencies: ProxyDependencies): Promise<RunningProxy> {
  const { log, planManifest } = dependencies;
  let view: ProxyView | undefined;
  const endpoint = new HttpEndpoint(proxyRoutes(() => view));

  let started: Running | undefined;
  let stopping = false;

  /** Moves the HTTP server if the plan says so; `act` runs between listening anew and closing the old one. */
  async function moveAround(plan: Plan, act: () => void): Promise<void> {
    const before = endpoint.address;
    const move = await endpoint.prepareMove(chooseMetrics(options.metrics, plan));
    try {
      act();
    } catch (error) {
      await move.abandon();
      throw error;
    }
    move.commit();
    const after = endpoint.address;
    if (after && after !== before) {
      log.info({ ...after }, `metrics and health on http://${formatAddress(after.address, after.port)}`);
    }
    if (!after && (before || !started)) log.info("metrics and health are off");
  }

  await moveAround(options.plan, () => {
    started = startRunning(options.plan, dependencies);
    view = viewOf(started);
  });
  const { controller: running, health } = started as unknown as Running;
  const stopSampleLog = startSampleLog(running, log);
  const networkTimer = setInterval(() => running.noteNetwork(), NETWORK_LOG_MS);
  networkTimer.unref();

  function put(plan: Plan): void {
    running.apply(plan, health.drainedFor(plan));
    health.adopt(plan);
  }

  /** An unchanged text can mean something new: the key files that it names may have changed. */
  async function reload({ kind, text }: Exclude<ManifestEvent, { kind: "unreadable" }>): Promise<void> {
    if (planManifest === undefined) throw new Error("this proxy does not run from a manifest");
    const result = await planManifest(text);
    if ("faults" in result) running.reject(result.faults);
    else if (kind === "unchanged" && !running.isStale && running.isInForce(result.plan)) running.noteUnchanged();
    else await moveAround(result.plan, () => put(result.plan));
  }

  return {
    async apply(plan: Plan): Promise<Error | undefined> {
      try {
        await moveAround(plan, () => put(plan));
        return undefined;
      } catch (error) {
        running.reject([reasonOf(error)]);
        return error instanceof Error ? error : new Error(String(error));
      }
    },
    ...(view as unknown as ProxyView),
    get metricsAddress(): HostPort | undefined {
      return endpoint.address;
    },
    async onManifest(event: ManifestEvent): Promise<void> {
      if (stopping) return;
      try {
        // What was rejected may fit now: a port has become free, or an address has come to this host.
        if (event.kind === "unreadable") running.reject(event.reasons);
        else await reload(event);
      } catch (error) {
        // In the midst of a stop there is nothing left to be rejected.
        if (!stopping) running.reject([reasonOf(error)]);
      }
    },
    async stop(): Promise<void> {
      stopping = true;
      health.stop();
      stopSampleLog();
      clearInterval(networkTimer);
      running.stop();
      await endpoint.close();
    },
  };
}
