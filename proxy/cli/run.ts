import { availableParallelism } from "node:os";
import { isatty } from "node:tty";
import { type Command, InvalidArgumentError, Option } from "commander";
import { isInCluster } from "../../kube/in_cluster.ts";
import { type ApiEndpoint, lazyTransport } from "../../kube/transport.ts";
import packageJson from "../../package.json" with { type: "json" };
import { type HostPort, parseHostPort } from "../../process/host_port.ts";
import { closeInspector } from "../../process/inspector.ts";
import { LOG_LEVELS, type Log, type LogLevel, openLog } from "../../process/log.ts";
import { LogStream } from "../../process/log_stream.ts";
import { onHangup, stopOnSignals } from "../../process/signals.ts";
import { openDataPlane } from "../apply/data_plane.ts";
import type { Plan, PlanManifest } from "../apply/plan.ts";
import { createPlanner } from "../apply/planner.ts";
import { DEFAULT_STATE_DIR } from "../contract/hash_key.ts";
import { DEFAULT_KEY_DIR } from "../contract/quic_lb_keys.ts";
import { formatted, LOG_FORMATS, type LogFormat } from "../log_format.ts";
import { formatFault } from "../manifest/fault.ts";
import { readManifestText } from "../manifest/read.ts";
import { type HealthServer, serveHealth, viewOnceStarted } from "../metrics/health_socket.ts";
import { runNode } from "../node/run.ts";
import { type RunningProxy, startProxy } from "../run.ts";
import { type ManifestWatch, type ReadOutcome, watchManifest } from "../source/file.ts";

interface RunFlags {
  file?: string;
  nodeObject?: NodeName;
  lastGood?: string;
  metrics?: HostPort | "off";
  healthSocket?: string;
  stateDir: string;
  keyDir: string;
  logLevel: LogLevel;
  logFormat: LogFormat;
}

const EXIT_RUNTIME_FAILURE = 1;
const EXIT_WRONG_INPUT = 2;
const STANDARD_INPUT = "-";
const STDOUT_FD = 1;
/** How long the end waits for a reader of the log. */
const LAST_LINES_MS = 1000;

function parseMetrics(text: string): HostPort | "off" {
  const metrics = text === "off" ? text : parseHostPort(text);
  if (!metrics)
    throw new InvalidArgumentError("Allowed: off, or ADDR:PORT such as 127.0.0.1:9464, [::1]:9464 or :9464.");
  return metrics;
}

interface NodeName {
  namespace: string;
  name: string;
}

function parseNodeName(text: string): NodeName {
  const [namespace = "", name = "", ...rest] = text.split("/");
  if (namespace === "" || name === "" || rest.length > 0) throw new InvalidArgumentError("Allowed: NAMESPACE/NAME.");
  return { namespace, name };
}

async function readText(file: string): Promise<ReadOutcome> {
  const result = await readManifestText(file);
  return result.ok ? { text: result.text } : { reasons: result.faults.map(formatFault) };
}

/** The manifest as text and as plan, or undefined with every fault printed. */
async function loadPlan(file: string, planManifest: PlanManifest): Promise<{ text: string; plan: Plan } | undefined> {
  const source = await readText(file);
  const result = "text" in source ? await planManifest(source.text) : { faults: source.reasons };
  if ("text" in source && "plan" in result) return { text: source.text, plan: result.plan };
  const faults = "faults" in result ? result.faults : [];
  for (const fault of faults) console.error(fault);
  console.error(`${faults.length} ${faults.length === 1 ? "fault" : "faults"}, nothing started`);
  return undefined;
}

function watchSource(file: string, initialText: string, proxy: RunningProxy, log: Log): ManifestWatch {
  if (file !== STANDARD_INPUT) {
    return watchManifest(file, { read: readText, initialText, onEvent: (event) => proxy.onManifest(event) });
  }
  return { close: onHangup(() => log.warn("SIGHUP ignored: standard input cannot be read again")) };
}

interface ProcessLog {
  readonly log: Log;
  readonly stream: LogStream;
}

/** The log of the process, which is told of an error that nobody caught before that ends the process. */
function openProcessLog({ logLevel, logFormat: format }: RunFlags, name: string): ProcessLog {
  const stream = new LogStream(STDOUT_FD);
  const root = openLog(
    { level: logLevel, controller: "proxy", through: formatted({ format, isTerminal: isatty(STDOUT_FD) }) },
    stream,
  );
  const log = root.child({ name });
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, `uncaught error: ${error instanceof Error ? error.stack : String(error)}`);
    process.exit(EXIT_RUNTIME_FAILURE);
  });
  return { log, stream };
}

/** What a proxy needs of its process. */
function dependenciesOf({ log, stream }: ProcessLog) {
  const clock = (): number => performance.now();
  return { openDataPlane, log, clock, version: packageJson.version, logLinesLost: () => stream.lost };
}

/** Runs from here on until a signal stops it in order. */
function runUntilStopped({ log, stream }: ProcessLog, stop: () => Promise<void>): void {
  // A signal that came before the first line of code may have opened it since.
  closeInspector((message) => log.warn(message));
  stopOnSignals({ log, stop, flushLog: () => stream.flush(LAST_LINES_MS) });
}

async function run(flags: RunFlags): Promise<void> {
  const { file, nodeObject } = flags;
  if (file !== undefined && nodeObject === undefined) return runFile(file, flags);
  if (file === undefined && nodeObject !== undefined) return runAsNode(nodeObject, flags);
  console.error("exactly one of --file and --node-object is needed");
  process.exitCode = EXIT_WRONG_INPUT;
}

/** Loaded once what was kept on the node runs: a restart does not wait for the client library. */
async function podEndpoint(): Promise<ApiEndpoint> {
  return (await import("../../kube/kubeconfig.ts")).openEndpoint({ env: process.env });
}

/** As a node of a cluster there is nothing to be wrong at the start: whatever is missing may come. */
async function runAsNode({ namespace, name }: NodeName, flags: RunFlags): Promise<void> {
  if (!isInCluster(process.env)) {
    console.error("--node-object works in a pod only: KUBERNETES_SERVICE_HOST is not set; outside, use --file");
    process.exitCode = EXIT_WRONG_INPUT;
    return;
  }
  const processLog = openProcessLog(flags, `${namespace}/${name}`);
  const send = lazyTransport(podEndpoint);
  const cpus = availableParallelism();
  const { lastGood: lastGoodDir, metrics, healthSocket, keyDir } = flags;
  const options = { namespace, name, lastGoodDir, metrics, healthSocket, keyDir, cpus, send };
  const node = await runNode(options, dependenciesOf(processLog));
  const endHangups = onHangup(() => {
    processLog.log.info("SIGHUP: mounted keys are read again; all else comes from the API server");
    void node.agent.refresh();
  });
  runUntilStopped(processLog, async () => {
    endHangups();
    await node.stop();
  });
}

async function runFile(file: string, flags: RunFlags): Promise<void> {
  const { stateDir, keyDir, healthSocket } = flags;
  const planManifest = createPlanner({ file, stateDir, keyDir, cpus: availableParallelism() });
  const loaded = await loadPlan(file, planManifest);
  if (!loaded) {
    process.exitCode = EXIT_WRONG_INPUT;
    return;
  }
  const { plan, text } = loaded;
  const processLog = openProcessLog(flags, `${plan.namespace}/${plan.name}`);
  const { log } = processLog;
  let proxy: RunningProxy | undefined;
  let health: HealthServer | undefined;
  const view = viewOnceStarted(() => proxy);
  try {
    if (healthSocket !== undefined) health = await serveHealth(healthSocket, view);
    proxy = await startProxy({ plan, metrics: flags.metrics }, { ...dependenciesOf(processLog), planManifest });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    log.fatal(`not started: ${message}`);
    process.exitCode = EXIT_RUNTIME_FAILURE;
    await health?.close();
    return;
  }
  const running = proxy;
  const source = watchSource(file, text, running, log);
  runUntilStopped(processLog, async () => {
    source.close();
    await Promise.all([running.stop(), health?.close()]);
  });
}

export function registerRun(program: Command): void {
  program
    .command("run")
    .description("forward datagrams as a QuicProxy says; SIGHUP or a changed file applies the manifest anew")
    .option("-f, --file <file>", "manifest to run; - reads standard input")
    .option("--node-object <namespace/name>", "run as a node of a cluster, as this QuicProxyNode says", parseNodeName)
    .option("--last-good <dir>", "with --node-object: where to keep a copy to start from without the API server")
    .option("--metrics <addr:port|off>", "where to serve metrics and health, instead of spec.metrics", parseMetrics)
    .option("--health-socket <path>", "also answer /healthz and /readyz on this UNIX socket, for quicproxy-probe")
    .option("--state-dir <dir>", "where to keep the hash key", DEFAULT_STATE_DIR)
    .option("--key-dir <dir>", "where Secrets with QUIC-LB keys are mounted, as <name>/<entry>", DEFAULT_KEY_DIR)
    .addOption(new Option("--log-level <level>", "least level to log").choices(LOG_LEVELS).default("info"))
    .addOption(new Option("--log-format <format>", "auto: pretty on a terminal").choices(LOG_FORMATS).default("auto"))
    .action(run);
}
