import type { HostPort } from "../process/host_port.ts";
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
  /** Why no new traffic should come here, whatever the data plane says; undefined: nothing. Default: nothing. */
  findNotReady?: () => string | undefined;
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

function viewOf(
  { controller, health, logLinesLost }: Running,
  endpoint: HttpEndpoint,
  findNotReady: () => string | undefined = () => undefined,
): ProxyView {
  const others = () => ({ health: health.report(), logLinesLost: logLinesLost(), metricsProblem: endpoint.problem });
  return {
    report: () => ({ ...controller.report(), ...others(), ...notReadyReport(findNotReady()) }),
    findUnhealthy: () => controller.findUnhealthy(),
    findNotReady: () => findNotReady() ?? controller.findNotReady(),
  };
}

function notReadyReport(notReadyReason: string | undefined): Partial<ReturnType<ProxyView["report"]>> {
  return notReadyReason === undefined ? {} : { ready: false, notReadyReason };
}

/** Starts the data plane, then metrics and health beside it. Throws ApplyError with everything closed again. */
export async function startProxy(options: ProxyOptions, dependencies: ProxyDependencies): Promise<RunningProxy> {
  const { log, planManifest } = dependencies;
  const started = startRunning(options.plan, dependencies);
  const { controller: running, health } = started;
  const endpoint: HttpEndpoint = new HttpEndpoint(
    proxyRoutes(() => view),
    log,
  );
  const view = viewOf(started, endpoint, options.findNotReady);
  let stopping = false;

  const followMetrics = (plan: Plan): Promise<void> => endpoint.follow(chooseMetrics(options.metrics, plan));
  await followMetrics(options.plan);
  const stopSampleLog = startSampleLog(running, log);
  const networkTimer = setInterval(() => running.noteNetwork(), NETWORK_LOG_MS);
  networkTimer.unref();

  async function put(plan: Plan): Promise<void> {
    running.apply(plan, health.sharesFor(plan));
    health.adopt(plan);
    await followMetrics(plan);
  }

  /** An unchanged text can mean something new: the key files that it names may have changed. */
  async function reload({ kind, text }: Exclude<ManifestEvent, { kind: "unreadable" }>): Promise<void> {
    if (planManifest === undefined) throw new Error("this proxy does not run from a manifest");
    const result = await planManifest(text);
    if ("faults" in result) running.reject(result.faults);
    else if (kind === "unchanged" && !running.isStale && running.isInForce(result.plan)) running.noteUnchanged();
    else await put(result.plan);
  }

  return {
    async apply(plan: Plan): Promise<Error | undefined> {
      try {
        await put(plan);
        return undefined;
      } catch (error) {
        running.reject([reasonOf(error)]);
        return error instanceof Error ? error : new Error(String(error));
      }
    },
    ...view,
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
