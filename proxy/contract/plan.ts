import { type IpAddress, parseIpAddress } from "../../crds/ip_address.ts";
import { durationMs, sizeBytes } from "../../crds/quantities.ts";
import type { QuicProxySpec } from "../../crds/schema.ts";
import { type Backend, type Contract, type Endpoint, UPSTREAM_SOCKETS_UNBOUNDED } from "./contract.ts";

/** What a contract needs besides the spec. */
export interface PlanInputs {
  readonly generation: number;
  /** CPUs this process may use. */
  readonly cpus: number;
  /** 16 octets. */
  readonly hashKey: Uint8Array;
}

/**
 * A spec that parse accepted -> the contract. Pure: equal inputs give equal contracts.
 * @throws Error for what a contract cannot say (Decoupled, backends of a Service); parse refuses both.
 */
export function plan(spec: QuicProxySpec, { generation, cpus, hashKey }: PlanInputs): Contract {
  const { dataPlane, routing } = spec;
  const { mode } = dataPlane;
  if (mode === "Decoupled") throw new Error("dataPlane.mode Decoupled has no contract in this version");
  const baseline = mode === "Baseline";
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
    flowMemoryBytes: known(sizeBytes(dataPlane.flowMemory)),
    hashKey,
    endpoints: spec.listeners.flatMap(planEndpoints),
    backends: planBackends(spec),
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

function planBackends({ backends }: QuicProxySpec): Backend[] {
  if (backends.static === undefined)
    throw new Error("backends of a Service must be resolved to addresses before planning");
  return backends.static
    .map(({ address, port, weight }) => ({ ip: known(parseIpAddress(address)), port, weight }))
    .sort((a, b) => compareAddresses(a.ip, b.ip) || a.port - b.port)
    .map(({ ip, port, weight }) => ({ address: ip.text, family: ip.family, port, weight }));
}

function compareAddresses(a: IpAddress, b: IpAddress): number {
  return a.family - b.family || Buffer.compare(a.octets, b.octets);
}

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("plan was given a spec that the schema refuses");
  return value;
}
