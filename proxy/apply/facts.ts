import { formatAddress } from "../../process/host_port.ts";
import type { NativeEndpoint, NativeStatus } from "./addon.ts";
import { openFileLimit, raiseOpenFiles } from "./open_files.ts";
import type { Plan } from "./plan.ts";

/** One line of the log: what holds now that the data plane runs. */
export interface Fact {
  level: "info" | "warn";
  message: string;
  fields: Record<string, unknown>;
}

const info = (message: string, fields: Record<string, unknown>): Fact => ({ level: "info", message, fields });
const warn = (message: string, fields: Record<string, unknown>): Fact => ({ level: "warn", message, fields });

/**
 * The kernel doubles what SO_RCVBUF asks for to have room for its bookkeeping, and getsockopt returns the doubled
 * value (socket(7)): granted in full means effective >= 2 x asked.
 */
function isClamped(asked: number, effective: number): boolean {
  return effective < 2 * asked;
}

function receiveBufferFact(where: string, asked: number, effective: number): Fact {
  const granted = Math.floor(effective / 2);
  const fields = { endpoint: where, askedBytes: asked, grantedBytes: granted };
  if (!isClamped(asked, effective)) return info(`receive buffer of ${where}: ${asked} bytes granted`, fields);
  return warn(
    `receive buffer of ${where}: asked ${asked} bytes, the kernel granted ${granted}; ` +
      `sysctl -w net.core.rmem_max=${asked}, or grant CAP_NET_ADMIN`,
    fields,
  );
}

function endpointFacts(endpoint: NativeEndpoint): Fact[] {
  const where = formatAddress(endpoint.address, endpoint.port);
  if (endpoint.skipped !== undefined) {
    return [info(`not listening on ${where}: ${endpoint.skipped}`, { endpoint: where, skipped: endpoint.skipped })];
  }
  return [
    info(`listening on ${where}`, { endpoint: where }),
    receiveBufferFact(where, endpoint.receiveBufferAsked, endpoint.receiveBufferEffective),
  ];
}

function upstreamFacts(status: NativeStatus, upstreamSocketMaxAsked: number | undefined): Fact[] {
  const { upstreamLevel, upstreamReason, upstreamPortFirst: first, upstreamPortLast: last } = status;
  if (upstreamLevel === "RawSend") {
    const fields = { upstreamLevel, upstreamPorts: `${first}-${last}` };
    return [info(`upstream level ${upstreamLevel}: no socket per flow, source ports ${first} to ${last}`, fields)];
  }
  const sockets = socketPoolFact(status, upstreamSocketMaxAsked);
  if (upstreamReason === undefined) return [sockets];
  const fields = { upstreamLevel, upstreamReason };
  const remedy = "remove the cause, or set dataPlane.upstreamLevel to Sockets";
  return [warn(`not upstream level RawSend but a socket per flow: ${upstreamReason}; ${remedy}`, fields), sockets];
}

const SOCKET_BOUNDS: Record<NativeStatus["upstreamSocketBound"], { why: string; remedy: string }> = {
  Asked: { why: "the flow tables hold no more", remedy: "raise dataPlane.flowMemory" },
  OpenFiles: {
    why: "the limit on open files is lower",
    remedy: "raise it with `ulimit -n` (LimitNOFILE= in a systemd unit)",
  },
  EphemeralPorts: {
    why: "each takes a port of net.ipv4.ip_local_port_range, of which one in eight is left to other programs",
    remedy: "widen that range",
  },
};

function socketPoolFact(status: NativeStatus, upstreamSocketMaxAsked: number | undefined): Fact {
  const { upstreamLevel, upstreamSocketMax, upstreamSocketBound } = status;
  const fields = { upstreamLevel, upstreamSocketMax, upstreamSocketMaxAsked, upstreamSocketBound };
  const { why, remedy } = SOCKET_BOUNDS[upstreamSocketBound];
  const most = `upstream level ${upstreamLevel}, at most ${upstreamSocketMax} sockets`;
  if (upstreamSocketMaxAsked === undefined) {
    return info(upstreamSocketBound === "EphemeralPorts" ? `${most}: ${why}` : most, fields);
  }
  if (upstreamSocketMax >= upstreamSocketMaxAsked) return info(most, fields);
  return warn(`${most} instead of ${upstreamSocketMaxAsked}: ${why}; ${remedy}`, fields);
}

/** Beyond the limit neither metrics nor health answer: a connection to them is closed at once. */
function openFilesFact(status: NativeStatus, needed: number, limit: number | undefined): Fact[] {
  const forFlows = status.upstreamLevel === "ConnectedSocketPool" ? status.upstreamSocketMax : 0;
  if (limit === undefined || limit >= needed + forFlows) return [];
  const most = Math.max(limit - needed, 1);
  const remedy = forFlows === 0 ? "" : `, or let flows have at most ${most} by spec.dataPlane.upstreamSockets`;
  const message = `metrics and health may not answer when all flows are in use: ${raiseOpenFiles(needed)}${remedy}`;
  return [warn(message, { openFileLimit: limit, openFilesNeeded: needed, upstreamSocketMax: forFlows })];
}

/** Where readings are fast there is nothing to say. */
function clockFact({ clock: { readNs, timedOneIn, coarse } }: NativeStatus): Fact[] {
  if (!coarse) return [];
  const message =
    `reading the clock takes ${readNs} ns on this host: datagrams of one batch in ${timedOneIn} are timed, and the busy ` +
    "share of workers is counted by ticks, right on average; see /sys/devices/system/clocksource/clocksource0";
  return [info(message, { clockReadNs: readNs, timedOneIn })];
}

function steeringFact({ steering, steeringReason }: NativeStatus): Fact {
  if (steeringReason === undefined) return info(`steering level ${steering}`, { steering });
  return warn(
    `steering level ${steering}: a connection whose address changes may change its worker; ${steeringReason}`,
    { steering, steeringReason },
  );
}

/** Backends that get new flows. */
export function countServingBackends(status: NativeStatus): number {
  return status.backends.filter((backend) => backend.active && backend.weight > 0).length;
}

/** Backends that get new flows but that this host has no way to, as `address:port`. */
export function findUnreachable({ backends }: NativeStatus): string[] {
  return backends
    .filter(({ active, weight, sources }) => active && weight > 0 && sources.length === 0)
    .map(({ address, port }) => formatAddress(address, port));
}

const NAMED_MAX = 5;

/** What this host's addresses and routes mean for backends: from where to where. */
export function networkFacts(status: NativeStatus): Fact[] {
  const serving = status.backends.filter(({ active, weight }) => active && weight > 0);
  const sources = [...new Set(serving.flatMap((backend) => backend.sources))];
  const events = status.networkEvents
    ? []
    : [warn("the kernel does not tell when addresses and routes change: they are looked at every second", {})];
  const some =
    sources.slice(0, NAMED_MAX).join(", ") +
    (sources.length > NAMED_MAX ? ` and ${sources.length - NAMED_MAX} more` : "");
  const from = sources.length === 0 ? [] : [info(`backends are reached from ${some}`, { sources: sources.length })];
  const unreachable = findUnreachable(status);
  if (unreachable.length === 0) return [...events, ...from];
  const named = unreachable.slice(0, NAMED_MAX).join(", ");
  const count = `${unreachable.length} of ${serving.length} backends`;
  return [
    ...events,
    ...from,
    warn(
      `this host has no route or no address toward ${count}, ${named}: no new flow goes there while there are others; ` +
        "see `ip route get` for each; once there is one it is used by itself",
      { unreachable: unreachable.length },
    ),
  ];
}

function backendsFact(status: NativeStatus): Fact {
  const serving = countServingBackends(status);
  if (serving > 0) return info(`${serving} ${serving === 1 ? "backend" : "backends"}`, { backends: serving });
  return warn("no backend with a weight above zero: healthy but not ready, every datagram is dropped and counted", {
    backends: 0,
  });
}

/** What holds now, in the order in which a datagram meets it, beside what the manifest asks for. */
export function startFacts(
  status: NativeStatus,
  { mode, upstreamSocketMaxAsked, openFilesNeeded }: Pick<Plan, "mode" | "upstreamSocketMaxAsked" | "openFilesNeeded">,
  limit = openFileLimit(),
): Fact[] {
  const { workers, batch, flowCapacity, flowMemoryBytes } = status;
  const count = `${workers} ${workers === 1 ? "worker" : "workers"}`;
  return [
    ...status.endpoints.flatMap(endpointFacts),
    info(`mode ${mode}: ${count}, up to ${batch} datagrams per call`, { mode, workers, batch }),
    ...clockFact(status),
    steeringFact(status),
    info(`room for ${flowCapacity} flows in ${flowMemoryBytes} bytes`, { flowCapacity, flowMemoryBytes }),
    ...upstreamFacts(status, upstreamSocketMaxAsked),
    ...openFilesFact(status, openFilesNeeded, limit),
    receiveBufferFact("upstream sockets", status.upstreamReceiveBufferAsked, status.upstreamReceiveBufferEffective),
    backendsFact(status),
    ...networkFacts(status),
  ];
}
