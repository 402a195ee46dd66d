import { addressKind, type IpAddress, parseIpAddress } from "./ip_address.ts";
import type { RuleFinding, SoundSpec } from "./rule_finding.ts";
import { type ListenerReach, listenerReaches } from "./rules_listeners.ts";

type StaticBackend = NonNullable<NonNullable<NonNullable<SoundSpec["backends"]>["static"]>[number]>;

interface SoundBackend {
  readonly index: number;
  readonly backend: StaticBackend;
  readonly address: IpAddress | undefined;
}

/** Exactly one source of backends; each backend once, with an ID of its own, and none of them this proxy. */
export function backendRules(spec: SoundSpec, localAddresses: readonly string[]): RuleFinding[] {
  const backends = soundBackends(spec);
  const local = new Set(localAddresses.flatMap((text) => parseIpAddress(text)?.text ?? []));
  return [
    ...sourceRule(spec),
    ...servicePortRule(spec),
    ...duplicateRule(backends),
    ...serverIdRules(spec, backends),
    ...loopRule(listenerReaches(spec), backends, local),
  ];
}

function soundBackends({ backends }: SoundSpec): SoundBackend[] {
  return (backends?.static ?? []).flatMap((backend, index) => {
    return backend === undefined ? [] : [{ index, backend, address: parseIpAddress(backend.address ?? "") }];
  });
}

function sourceRule({ backends }: SoundSpec): RuleFinding[] {
  if (backends === undefined) return [];
  const sources = ["service", "static"].filter((source) => source in backends);
  if (sources.length === 1) return [];
  const what = sources.length === 0 ? "names no backends" : "has both service and static";
  return [{ path: ["backends"], what, allowed: "exactly one of service and static" }];
}

function servicePortRule({ backends }: SoundSpec): RuleFinding[] {
  const { service } = backends ?? {};
  if (service === undefined) return [];
  const given = ["port", "portName"].filter((key) => key in service);
  if (given.length === 1) return [];
  const what = given.length === 0 ? "names no port" : "has both port and portName";
  return [{ path: ["backends", "service"], what, allowed: "exactly one of port and portName" }];
}

function duplicateRule(backends: readonly SoundBackend[]): RuleFinding[] {
  const allowed = "each address and port once; use weight for a larger share";
  return repeated(backends, allowed, ({ address, backend: { port } }) => {
    return address === undefined || port === undefined ? undefined : `${address.text} port ${port}`;
  });
}

function serverIdRules(spec: SoundSpec, backends: readonly SoundBackend[]): RuleFinding[] {
  const findings = repeated(backends, "a server ID of its own for each backend", ({ backend: { serverId } }) =>
    serverId === undefined ? undefined : `server ID ${serverId.toLowerCase()}`,
  );
  const lengths = (spec.routing?.quicLB ?? []).flatMap((config) => config?.serverIdLength ?? []);
  if (lengths.length === 0) return findings;
  for (const { index, backend } of backends) {
    const { serverId } = backend;
    if (serverId === undefined || lengths.includes(serverId.length / 2)) continue;
    const path = ["backends", "static", index, "serverId"];
    const allowed = `a server ID as long as a serverIdLength of routing.quicLB: ${lengths.join(" or ")} octets`;
    findings.push({ path, what: `"${serverId}" has ${serverId.length / 2} octets`, allowed });
  }
  return findings;
}

function repeated(
  backends: readonly SoundBackend[],
  allowed: string,
  keyOf: (backend: SoundBackend) => string | undefined,
): RuleFinding[] {
  const findings: RuleFinding[] = [];
  const seen = new Map<string, number>();
  for (const backend of backends) {
    const key = keyOf(backend);
    if (key === undefined) continue;
    const first = seen.get(key);
    if (first === undefined) seen.set(key, backend.index);
    else {
      const what = `${key} is already that of spec.backends.static[${first}]`;
      findings.push({ path: ["backends", "static", backend.index], what, allowed });
    }
  }
  return findings;
}

/** A datagram sent to itself comes back as a new flow, and again, until the host does nothing else. */
function loopRule(
  listeners: readonly ListenerReach[],
  backends: readonly SoundBackend[],
  local: ReadonlySet<string>,
): RuleFinding[] {
  const allowed = "an address and port that this proxy does not listen on";
  return backends.flatMap(({ index, backend: { port }, address }) => {
    const listener = address && listeners.find((reach) => reach.port === port && loops(reach, address, local));
    if (!listener) return [];
    const what = `${address.text} port ${port} is spec.listeners[${listener.index}] itself: a loop`;
    return [{ path: ["backends", "static", index], what, allowed }];
  });
}

function loops(listener: ListenerReach, backend: IpAddress, local: ReadonlySet<string>): boolean {
  if (!listener.takes(backend)) return false;
  const specific = listener.address?.text === backend.text;
  return specific || local.has(backend.text) || addressKind(backend) === "loopback";
}
