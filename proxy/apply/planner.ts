import { dirname } from "node:path";
import type { QuicProxySpec } from "../../crds/schema.ts";
import { formatAddress } from "../../process/host_port.ts";
import { type Contract, type QuicLb, UPSTREAM_SOCKETS_UNBOUNDED } from "../contract/contract.ts";
import { encode } from "../contract/encode.ts";
import { type HashKey, type HashKeyOwner, loadHashKey } from "../contract/hash_key.ts";
import { plan } from "../contract/plan.ts";
import { readQuicLbKeys } from "../contract/quic_lb_keys.ts";
import { type HealthConfig, planHealth } from "../health/config.ts";
import { shareWeights, WHOLE_SHARES } from "../health/shares.ts";
import { formatFault } from "../manifest/fault.ts";
import { localAddresses } from "../manifest/local_addresses.ts";
import { parse } from "../manifest/parse.ts";
import { openFilesNeeded } from "./open_files.ts";
import type { Plan, PlanManifest } from "./plan.ts";

export interface PlannerOptions {
  /** Name of the manifest, for messages. */
  file: string;
  /** Where the hash key is kept. */
  stateDir: string;
  /** Where Secrets with QUIC-LB keys are mounted. */
  keyDir: string;
  /** CPUs this process may use, as seen at its start. */
  cpus: number;
  /** Where the hash key comes from. Default: loadHashKey, which makes one where there is none. */
  findHashKey?: (owner: HashKeyOwner, present?: Uint8Array) => Promise<HashKey>;
}

const DEFAULT_NAMESPACE = "default";

/** Every scalar of the contract by its name, for the log of a reload; keys are secret. */
function settingsOf(contract: Contract): Plan["settings"] {
  const { generation, hashKey, backends, endpoints, quicLb, serverIds, ...scalars } = contract;
  const { shortHeaderCidLength, upstreamSocketMax, ...others } = scalars;
  return {
    ...others,
    shortHeaderCidLength: shortHeaderCidLength ?? "learned",
    quicLb: quicLb.map(describeQuicLb).join(", ") || "off",
    serverIds: serverIds.length,
    upstreamSocketMax: upstreamSocketMax === UPSTREAM_SOCKETS_UNBOUNDED ? "unbounded" : upstreamSocketMax,
    endpoints: endpoints.map(({ address, port }) => formatAddress(address, port)).join(" "),
  };
}

/** Plans manifests of one file for this host. */
export function createPlanner(options: PlannerOptions): PlanManifest {
  const { file, stateDir, keyDir, cpus, findHashKey = loadHashKey } = options;
  let owner = "";
  let hashKey: HashKey | undefined;

  /** Loaded once per name. A key without a place to keep it lasts as long as the process, and gets one once there is. */
  async function keyOf(namespace: string, name: string): Promise<HashKey> {
    const isOwn = hashKey !== undefined && owner === `${namespace}/${name}`;
    if (isOwn && !hashKey?.random) return hashKey!;
    hashKey = await findHashKey({ stateDir, namespace, name }, isOwn ? hashKey?.key : undefined);
    owner = `${namespace}/${name}`;
    return hashKey;
  }

  return async (text) => {
    const result = parse(text, { file, localAddresses: localAddresses() });
    if (!result.ok) return { faults: result.faults.map(formatFault) };
    const { metadata, spec } = result.manifest;
    const { name, namespace = DEFAULT_NAMESPACE } = metadata;
    const quicLb = await readQuicLbKeys(spec.routing, { baseDir: dirname(file), keyDir });
    if (quicLb.faults.length > 0) return { faults: result.locate(quicLb.faults).map(formatFault) };
    const { key, warning } = await keyOf(namespace, name);
    const contract = plan(spec, { generation: 0, cpus, hashKey: key, quicLbKeys: quicLb.keys });
    const findings = [...result.warnings, ...result.locate(quicLb.warnings)].map(formatFault);
    const warnings = [...findings, ...(warning === undefined ? [] : [warning])];
    return { plan: planOf({ name, namespace, spec, contract, warnings }) };
  };
}

function describeQuicLb({ rotation, serverIdLength, nonceLength, key }: QuicLb): string {
  return `rotation ${rotation}: ${serverIdLength} + ${nonceLength} octets ${key === undefined ? "plain" : "encrypted"}`;
}

/** The server ID of each backend that has one, in hexadecimal, by address and port. */
function serverIdsOf({ backends, serverIds }: Contract): Plan["serverIds"] {
  return new Map(
    serverIds.map(({ backend, octets }) => {
      const { address, port } = backends[backend]!;
      return [formatAddress(address, port), Buffer.from(octets).toString("hex")];
    }),
  );
}

export interface PlanParts {
  readonly name: string;
  readonly namespace: string;
  readonly spec: Pick<QuicProxySpec, "backends" | "dataPlane" | "metrics">;
  readonly contract: Contract;
  readonly warnings: readonly string[];
}

/** A contract with all that the rest of the proxy wants to know about it. */
export function planOf({ name, namespace, spec, contract, warnings }: PlanParts): Plan {
  return {
    name,
    namespace,
    mode: contract.mode,
    endpoints: contract.endpoints,
    backends: contract.backends,
    serverIds: serverIdsOf(contract),
    quicLbKeys: new Map(contract.quicLb.flatMap(({ rotation, key }) => (key === undefined ? [] : [[rotation, key]]))),
    quicLbConfigs: contract.quicLb.map(({ key, ...lengths }) => ({ ...lengths, encrypted: key !== undefined })),
    settings: settingsOf(contract),
    openFilesNeeded: openFilesNeeded(contract),
    upstreamSocketMaxAsked: spec.dataPlane.upstreamSockets,
    warnings,
    metrics: spec.metrics.port === 0 ? undefined : spec.metrics,
    health: healthOf(spec, contract),
    encode: (generation, shares = WHOLE_SHARES) =>
      encode({ ...contract, backends: shareWeights(contract.backends, shares, nameOf), generation }),
  };
}

/** Baseline remembers no flow: with every change of weights, connections would change their backend. */
function healthOf({ backends }: PlanParts["spec"], { mode }: Contract): HealthConfig | undefined {
  return mode === "Baseline" ? undefined : planHealth(backends.health);
}

const nameOf = ({ address, port }: Contract["backends"][number]): string => formatAddress(address, port);
