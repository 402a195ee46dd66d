import { type IpAddress, parseIpAddress } from "../../crds/ip_address.ts";
import { durationMs, sizeBytes } from "../../crds/quantities.ts";
import type { QuicProxySpec } from "../../crds/schema.ts";
import {
  type Backend,
  type Contract,
  type Endpoint,
  type QuicLb,
  type ServerId,
  UPSTREAM_SOCKETS_UNBOUNDED,
} from "./contract.ts";

/** What a contract needs besides the spec. */
export interface PlanInputs {
  readonly generation: number;
  /** CPUs this process may use. */
  readonly cpus: number;
  /** 16 octets. */
  readonly hashKey: Uint8Array;
  /** AES-128 key of each encrypted QUIC-LB config, 16 octets, by rotation. */
  readonly quicLbKeys: ReadonlyMap<number, Uint8Array>;
}

/**
 * A spec that parse accepted -> the contract. Pure: equal inputs give equal contracts.
 * @throws Error for backends of a Service, which a contract cannot name; parse refuses them. Error where the key of an
 *   encrypted config was not given: it must never fall back to plain text.
 */
export function plan(spec: QuicProxySpec, { generation, cpus, hashKey, quicLbKeys }: PlanInputs): Contract {
  const { dataPlane, routing } = spec;
  const { mode } = dataPlane;
  const baseline = mode === "Baseline";
  const backends = planBackends(spec);
  const quicLb = planQuicLb(spec, quicLbKeys);
  return {
    generation,
    mode,
    fallback: routing.fallback,
    shortHeaderCidLength: routing.connectionIdLength,
    workers: baseline ? 1 : Math.min(Math.max(cpus, dataPlane.workers.min), dataPlane.workers.max),
    batch: baseline ? 1 : dataPlane.batch,
    receiveBufferBytes: known(sizeBytes(dataPlane.receiveBuffer)),
    sendBufferBytes: known(sizeBytes(dataPlane.sendBuffer)),
    idleTimeoutMs: known(durationMs(routing.idleTimeout)),
    upstreamSocketMax: dataPlane.upstreamSockets ?? UPSTREAM_SOCKETS_UNBOUNDED,
    upstreamLevel: dataPlane.upstreamLevel,
    upstreamPortFirst: dataPlane.upstreamPorts.first,
    upstreamPortLast: dataPlane.upstreamPorts.last,
    flowMemoryBytes: known(sizeBytes(dataPlane.flowMemory)),
    newFlowsPerSecond: dataPlane.newFlowsPerSecond,
    sampleOneIn: dataPlane.sampleOneIn,
    hashKey,
    endpoints: spec.listeners.flatMap(planEndpoints),
    backends: backends.map(({ address, family, port, weight }) => ({ address, family, port, weight })),
    quicLb,
    serverIds: planServerIds(backends, quicLb),
  };
}

/** A listener without address takes every IPv4 address and, where the host has IPv6, every IPv6 address. */
function planEndpoints({ address, port }: QuicProxySpec["listeners"][number], listener: number): Endpoint[] {
  if (address === undefined) {
    return [
      { address: "0.0.0.0", family: 4, port, optional: false, listener },
      { address: "::", family: 6, port, optional: true, listener },
    ];
  }
  const { text, family } = known(parseIpAddress(address));
  return [{ address: text, family, port, optional: false, listener }];
}

interface NamedBackend extends Backend {
  readonly serverId: Uint8Array | undefined;
}

function planBackends({ backends }: QuicProxySpec): NamedBackend[] {
  if (backends.static === undefined)
    throw new Error("backends of a Service must be resolved to addresses before planning");
  return backends.static
    .map(({ address, ...backend }) => ({ ip: known(parseIpAddress(address)), ...backend }))
    .sort((a, b) => compareAddresses(a.ip, b.ip) || a.port - b.port)
    .map(({ ip, port, weight, serverId }) => {
      const octets = serverId === undefined ? undefined : Uint8Array.from(Buffer.from(serverId, "hex"));
      return { address: ip.text, family: ip.family, port, weight, serverId: octets };
    });
}

function planQuicLb({ routing }: QuicProxySpec, keys: ReadonlyMap<number, Uint8Array>): QuicLb[] {
  return (routing.quicLB ?? [])
    .map(({ rotation, serverIdLength, nonceLength, key }) => {
      return { rotation, serverIdLength, nonceLength, key: key && keyOf(rotation, keys) };
    })
    .sort((a, b) => a.rotation - b.rotation);
}

function keyOf(rotation: number, keys: ReadonlyMap<number, Uint8Array>): Uint8Array {
  const key = keys.get(rotation);
  if (key === undefined) throw new Error(`no key was read for the encrypted QUIC-LB config of rotation ${rotation}`);
  return key;
}

/** A server ID is the name of its backend in every config of that length. */
function planServerIds(backends: readonly NamedBackend[], configs: readonly QuicLb[]): ServerId[] {
  return configs.flatMap(({ rotation, serverIdLength }) =>
    backends.flatMap(({ serverId: octets }, backend) =>
      octets?.length === serverIdLength ? [{ backend, rotation, octets }] : [],
    ),
  );
}

function compareAddresses(a: IpAddress, b: IpAddress): number {
  return a.family - b.family || Buffer.compare(a.octets, b.octets);
}

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("plan was given a spec that the schema refuses");
  return value;
}
