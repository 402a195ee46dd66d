import { hostname } from "node:os";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { CAPABILITY_LEVELS } from "../crds/class_schema.ts";
import { openEndpoint } from "../kube/kubeconfig.ts";
import { LeaderElection } from "../kube/leader.ts";
import { httpTransport } from "../kube/transport.ts";
import packageJson from "../package.json" with { type: "json" };
import { type HostPort, parseHostPort } from "../process/host_port.ts";
import { listenHttp } from "../process/http_server.ts";
import { closeInspector } from "../process/inspector.ts";
import { LOG_LEVELS, type Log, type LogLevel, openLog } from "../process/log.ts";
import { LogStream } from "../process/log_stream.ts";
import { onceEach } from "../process/once_each.ts";
import { onHangup, stopOnSignals } from "../process/signals.ts";
import { registerCheck } from "./check.ts";
import { Operator } from "./operator.ts";
import type { CapabilityLevel } from "./plan/capabilities.ts";
import type { PodOptions } from "./plan/desired.ts";
import { operatorRoutes } from "./routes.ts";

interface Flags {
  namespace?: string;
  image?: string;
  imagePullPolicy: PodOptions["imagePullPolicy"];
  imagePullSecret: string[];
  proxyPriorityClass?: string;
  proxyCapabilities: CapabilityLevel;
  architecture?: string;
  leaderElect: boolean;
  leaseNamespace: string;
  leaseName: string;
  metrics: HostPort;
  logLevel: LogLevel;
}

const EXIT_OK = 0;
const EXIT_RUNTIME_FAILURE = 1;
const EXIT_WRONG_INPUT = 2;
/** Work in hand is one reconciliation; a call to the API server takes at most 30 s. */
const STOP_WITHIN_MS = 30_000;
const STDOUT_FD = 1;
/** How long the end waits for a reader of the log. */
const LAST_LINES_MS = 1000;

function parseMetrics(text: string): HostPort {
  const address = parseHostPort(text);
  if (!address) throw new InvalidArgumentError("Allowed: ADDR:PORT such as 0.0.0.0:8080, [::]:8080 or :8080.");
  return address;
}

function parseFlag(text: string): boolean {
  if (text !== "true" && text !== "false") throw new InvalidArgumentError("Allowed: true or false.");
  return text === "true";
}

async function run(flags: Flags): Promise<void> {
  const stream = new LogStream(STDOUT_FD);
  const log = openLog({ level: flags.logLevel, controller: "quicproxy" }, stream);
  const instance = process.env.POD_NAME ?? hostname();
  const { image, namespace, leaseNamespace, leaseName } = flags;
  // Not a required option of commander: that would be asked of `check`, too.
  if (image === undefined) return program.error("error: required option '--image <image>' not specified");
  const send = httpTransport(openEndpoint({ env: process.env }));
  let election: LeaderElection | undefined;
  let leader = "";
  const operator = new Operator({
    send,
    log,
    namespace: namespace === "" ? undefined : namespace,
    instance,
    isLeading: () => election?.isLeading ?? true,
    logLinesLost: () => stream.lost,
    pods: {
      image,
      imagePullPolicy: flags.imagePullPolicy,
      imagePullSecrets: flags.imagePullSecret,
      priorityClass: flags.proxyPriorityClass,
      capabilities: flags.proxyCapabilities,
      architecture: flags.architecture,
    },
  });
  const health = {
    unhealthy: () => undefined,
    notReady: () => operator.notReady(),
    notLeading: () =>
      (election?.isLeading ?? true) ? undefined : `waits for the lease${leader && `; ${leader} leads`}`,
  };
  await listenHttp(flags.metrics, operatorRoutes(operator.metrics.registry, health));
  if (flags.leaderElect) {
    const identity = `${instance}_${crypto.randomUUID()}`;
    const onError = onceEach((error) => log.warn({ err: error }, `lease: ${error.message}`));
    election = new LeaderElection({
      client: operator.client,
      namespace: leaseNamespace,
      name: leaseName,
      identity,
      onError,
      onHolder: (holder) => {
        leader = podOf(holder);
        log.info(
          { leader },
          `standing by: ${leader} leads; what is done is in its log: kubectl logs -n ${leaseNamespace} ${leader}`,
        );
      },
      onAnswer: () => onError.forget(),
    });
  }
  const stop = async (): Promise<void> => {
    election?.resign();
    await operator.stop();
    await election?.stop();
  };
  closeInspector((message) => log.warn(message));
  onHangup(() => log.info("SIGHUP has no effect: what there is to read is watched"));
  const flushLog = (): Promise<void> => stream.flush(LAST_LINES_MS);
  const isStopping = stopOnSignals({ log, stop, flushLog, withinMs: STOP_WITHIN_MS });
  await lead(operator, election, { log, isStopping });
}

/** The identity of a holder is the name of its pod, and what tells it from an earlier process of that name. */
function podOf(identity: string): string {
  return identity.replace(/_[^_]*$/, "");
}

/** Whoever lost the lease may be followed by another within 5 s: what is in hand must end now, so the process does. */
async function lead(
  operator: Operator,
  election: LeaderElection | undefined,
  { log, isStopping }: { log: Log; isStopping: () => boolean },
): Promise<void> {
  if (election === undefined) return operator.start();
  log.info("waiting for the lease");
  if (!(await election.acquire())) return;
  log.info("leading");
  operator.start();
  await election.hold();
  if (isStopping()) return;
  log.fatal("the lease is lost: ending, to start anew as a follower");
  process.exit(EXIT_RUNTIME_FAILURE);
}

const collect = (value: string, before: string[]): string[] => [...before, value];

const program = new Command("quicproxy-operator")
  .description("runs QuicProxy objects of a Kubernetes cluster as DaemonSets of proxies")
  .version(packageJson.version)
  .option("--namespace <name>", "watch one namespace only (default: all)")
  .option("--image <image>", "image of the proxies (required)")
  .option("--architecture <arch>", "the only one the image is for, such as amd64 (default: all that the nodes have)")
  .addOption(
    new Option("--image-pull-policy <policy>", "when nodes pull it")
      .choices(["Always", "IfNotPresent", "Never"])
      .default("IfNotPresent"),
  )
  .option("--image-pull-secret <name>", "secret in each QuicProxy's namespace to pull with (repeatable)", collect, [])
  .option("--proxy-priority-class <name>", "priority class of the proxies whose QuicProxyClass names none")
  .addOption(
    new Option(
      "--proxy-capabilities <level>",
      "Sockets: none of the kernel's faster ways; Kernel: all of them. The most that a QuicProxyClass gives, and what it gives where it says nothing",
    )
      .choices(CAPABILITY_LEVELS)
      .default("Kernel"),
  )
  .option("--leader-elect [bool]", "work only while holding the lease; false for a single replica", parseFlag, true)
  .option("--lease-namespace <name>", "namespace of the lease", process.env.POD_NAMESPACE ?? "default")
  .option("--lease-name <name>", "name of the lease", "quicproxy-operator")
  .option("--metrics <addr:port>", "where to serve /metrics, /healthz, /readyz and /leading", parseMetrics, {
    address: undefined,
    port: 8080,
  })
  .addOption(new Option("--log-level <level>", "least level to log").choices(LOG_LEVELS).default("info"))
  .showHelpAfterError("(quicproxy-operator --help shows what there is)")
  .exitOverride()
  .action(run);
registerCheck(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT_OK : EXIT_WRONG_INPUT;
  else {
    console.error(`quicproxy-operator: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(EXIT_RUNTIME_FAILURE);
  }
}
