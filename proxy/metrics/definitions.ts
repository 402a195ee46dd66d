/**
 * Every metric that is not a per-worker counter of native/abi/counters.def, as data: the registry registers exactly
 * these and docs/reference/metrics.md lists exactly these.
 */
export interface MetricDefinition {
  name: string;
  type: "counter" | "gauge" | "histogram";
  labels: readonly string[];
  help: string;
}

const define = (
  name: string,
  type: MetricDefinition["type"],
  labels: readonly string[],
  help: string,
): MetricDefinition => ({ name, type, labels, help });

/** Keyed by the name of the gauge in a worker's block (enum Gauge of native/abi/counters.h). */
export const WORKER_GAUGES = {
  generation: define("quicproxy_worker_generation", "gauge", ["worker"], "Contract generation the worker runs on"),
  flows: define("quicproxy_flows", "gauge", ["worker"], "Live flows"),
  upstreamSockets: define("quicproxy_upstream_sockets", "gauge", ["worker"], "Open upstream sockets"),
  cids: define("quicproxy_connection_ids", "gauge", ["worker"], "Live entries of the Connection ID table"),
  upstreamReceiveBuffer: define(
    "quicproxy_upstream_receive_buffer_effective_bytes",
    "gauge",
    ["worker"],
    "Receive buffer the kernel granted to the sockets that replies of backends come to; the smallest",
  ),
  ringHighWater: define(
    "quicproxy_ring_high_water",
    "gauge",
    ["worker"],
    "Most messages that ever waited between receiving and forwarding thread (mode Decoupled); the ring holds 1024",
  ),
} as const;

/** Keyed by the name of the cell in a backend's block (enum BackendCounter of native/abi/counters.h). */
export const BACKEND_METRICS = {
  forwarded: define("quicproxy_backend_forwarded_total", "counter", ["backend"], "Datagrams sent to the backend"),
  forwardedBytes: define(
    "quicproxy_backend_forwarded_bytes_total",
    "counter",
    ["backend"],
    "UDP payload bytes sent to the backend",
  ),
  returned: define("quicproxy_backend_returned_total", "counter", ["backend"], "Datagrams received from the backend"),
  returnedBytes: define(
    "quicproxy_backend_returned_bytes_total",
    "counter",
    ["backend"],
    "UDP payload bytes received from the backend",
  ),
  flowsCreated: define("quicproxy_backend_flows_created_total", "counter", ["backend"], "Flows created to the backend"),
  dropped: define(
    "quicproxy_backend_dropped_total",
    "counter",
    ["backend"],
    "Datagrams for the backend that could not be sent",
  ),
  refused: define(
    "quicproxy_backend_refused_total",
    "counter",
    ["backend"],
    "ICMP port or host unreachable received from the backend",
  ),
  unsendable: define(
    "quicproxy_backend_unsendable_total",
    "counter",
    ["backend"],
    "Datagrams and new flows for which this host had no way to the backend: no route, a filter, an interface that is down",
  ),
  initialFlows: define(
    "quicproxy_backend_initial_flows_total",
    "counter",
    ["backend"],
    "Flows created by the consistent hash whose first datagram could begin a QUIC connection: a long header, 1,200 octets",
  ),
  flowsAnswered: define(
    "quicproxy_backend_flows_answered_total",
    "counter",
    ["backend"],
    "Flows created on which the backend sent anything back",
  ),
  initialFlowsAnswered: define(
    "quicproxy_backend_initial_flows_answered_total",
    "counter",
    ["backend"],
    "Of quicproxy_backend_initial_flows_total those on which the backend sent anything back",
  ),
  flows: define("quicproxy_backend_flows", "gauge", ["backend"], "Live flows to the backend"),
} as const;

export const STATE_METRICS = {
  info: define(
    "quicproxy_info",
    "gauge",
    ["name", "namespace", "version", "upstream", "steering"],
    "Always 1; the labels name the proxy and the levels in use",
  ),
  ready: define("quicproxy_ready", "gauge", [], "1 while /readyz answers 200"),
  workers: define("quicproxy_workers", "gauge", [], "Worker threads that listen"),
  leavingWorkers: define(
    "quicproxy_workers_leaving",
    "gauge",
    [],
    "Worker threads that listen no more and only go on with the flows that they have",
  ),
  backends: define("quicproxy_backends", "gauge", [], "Backends of the present contract with a weight above zero"),
  backendSources: define(
    "quicproxy_backend_sources",
    "gauge",
    ["backend"],
    "Local addresses that the backend is reached from; 0: this host has no route or no address toward it",
  ),
  networkChanges: define(
    "quicproxy_network_changes_total",
    "counter",
    [],
    "Changes of this host's addresses and routes that changed how backends are reached",
  ),
  networkEvents: define(
    "quicproxy_network_events",
    "gauge",
    [],
    "1 where the kernel tells when this host's addresses and routes change; 0: they are looked at every second",
  ),
  backendWeight: define(
    "quicproxy_backend_weight",
    "gauge",
    ["backend"],
    "Weight in the present contract; 0 for a backend that only keeps its flows, a sixteenth while it is on trial",
  ),
  backendHealth: define(
    "quicproxy_backend_health",
    "gauge",
    ["backend"],
    "1 for a healthy backend, 0 for one that is on trial or gets no new flow unless there is panic; absent where nothing is " +
      "checked",
  ),
  backendOnTrial: define(
    "quicproxy_backend_on_trial",
    "gauge",
    ["backend"],
    "1 for a backend that is tried again without a sign of life, with a sixteenth of its weight; absent where nothing is " +
      "checked",
  ),
  healthPanic: define(
    "quicproxy_health_panic",
    "gauge",
    [],
    "1 while too few backends are healthy, so that all are treated as healthy",
  ),
  healthSuspended: define(
    "quicproxy_health_suspended",
    "gauge",
    [],
    "1 while active checks do not count, because no backend ever answered a probe",
  ),
  healthProbes: define(
    "quicproxy_health_probes_total",
    "counter",
    ["result"],
    "Probes of backends, by result: answered, unanswered or unsent",
  ),
  healthChanges: define(
    "quicproxy_health_changes_total",
    "counter",
    ["to"],
    "How often a backend became healthy, onTrial or unhealthy",
  ),
  generation: define("quicproxy_contract_generation", "gauge", [], "Generation of the contract in force"),
  stale: define(
    "quicproxy_contract_stale",
    "gauge",
    [],
    "1 while the manifest on disk was rejected and an older contract is in force",
  ),
  reloads: define(
    "quicproxy_contract_reload_total",
    "counter",
    ["result"],
    "Manifests read again, by result: applied, rejected or unchanged",
  ),
  logLinesLost: define(
    "quicproxy_log_lines_lost_total",
    "counter",
    [],
    "Lines of the log that could not be written: a full disk, a pipe that nobody reads, a reader that went away",
  ),
  flowCapacity: define("quicproxy_flow_capacity", "gauge", [], "Flows that the tables of all workers can hold"),
  flowMemory: define("quicproxy_flow_memory_bytes", "gauge", [], "Memory taken by the flow tables of all workers"),
  upstreamSocketMax: define(
    "quicproxy_upstream_socket_max",
    "gauge",
    [],
    "Bound of the upstream socket pool after the limit on open files",
  ),
  kernelDrops: define(
    "quicproxy_socket_kernel_drops_total",
    "counter",
    ["endpoint"],
    "Datagrams the kernel dropped at the listening sockets because their receive buffer was full",
  ),
  kernelDropsOfClosed: define(
    "quicproxy_closed_socket_kernel_drops_total",
    "counter",
    [],
    "Datagrams the kernel dropped at listening sockets of addresses that are no more, after they were emptied too",
  ),
  receiveBufferAsked: define(
    "quicproxy_socket_receive_buffer_asked_bytes",
    "gauge",
    ["endpoint"],
    "Receive buffer asked for",
  ),
  receiveBufferEffective: define(
    "quicproxy_socket_receive_buffer_effective_bytes",
    "gauge",
    ["endpoint"],
    "Receive buffer the kernel granted",
  ),
  sendBufferEffective: define(
    "quicproxy_socket_send_buffer_effective_bytes",
    "gauge",
    ["endpoint"],
    "Send buffer the kernel granted",
  ),
} as const;

const THREAD = ["worker", "thread"] as const;

/** How packet threads get on with what comes to them (proxy/timing/load.ts); `thread`: worker, or receiver in mode Decoupled. */
export const LOAD_METRICS = {
  busySeconds: define(
    "quicproxy_thread_busy_seconds_total",
    "counter",
    THREAD,
    "Time that the thread worked and did not wait for datagrams; its rate is the busy share",
  ),
  busyShare: define(
    "quicproxy_thread_busy_ratio",
    "gauge",
    THREAD,
    "Share of the time that the thread worked, since an earlier reading a second ago or more",
  ),
  serviceRate: define(
    "quicproxy_thread_service_rate_datagrams_per_second",
    "gauge",
    THREAD,
    "Datagrams that one second of the thread's work is enough for, of both directions (mu); absent where it did no work",
  ),
  rho: define(
    "quicproxy_thread_load_ratio",
    "gauge",
    THREAD,
    "Arrival rate divided by service rate (rho), what was lost before the thread included; from 1 on it does not keep up, 1000: that or more",
  ),
  overflow: define(
    "quicproxy_worker_overflow_seconds",
    "gauge",
    ["worker"],
    "How long the worker's fullest listening socket has room for what comes beyond what is taken; 0: it overflows; absent: it is kept up with",
  ),
  buffer: define(
    "quicproxy_worker_buffer_seconds",
    "gauge",
    ["worker"],
    "How long that socket's receive buffer would last if it were empty: all that a buffer buys; absent likewise",
  ),
  clockRead: define("quicproxy_clock_read_seconds", "gauge", [], "What one reading of the clock costs on this host"),
  timedOneIn: define(
    "quicproxy_timed_batches_one_in",
    "gauge",
    [],
    "Of so many batches one is timed, on average; more where readings of the clock are slow",
  ),
} as const;

export const TIMING_HISTOGRAMS = {
  service: define(
    "quicproxy_service_seconds",
    "histogram",
    ["worker", "direction"],
    "Service time of datagrams of timed batches: what a batch took the worker's thread, divided by its datagrams; 1 / service rate",
  ),
  residence: define(
    "quicproxy_residence_seconds",
    "histogram",
    ["worker", "direction"],
    "Residence time of the same: from before the receive call that brought a datagram until after the send call, waits for its batch and in the ring of mode Decoupled included",
  ),
} as const;

export const ALL_DEFINITIONS: readonly MetricDefinition[] = [
  ...Object.values(WORKER_GAUGES),
  ...Object.values(BACKEND_METRICS),
  ...Object.values(STATE_METRICS),
  ...Object.values(LOAD_METRICS),
  ...Object.values(TIMING_HISTOGRAMS),
];

/** A counter of native/abi/counters.def as a metric. */
export function counterMetricName(counter: string): string {
  return `quicproxy_${counter}_total`;
}
