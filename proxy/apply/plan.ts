import type { HostPort } from "../../process/host_port.ts";
import type { HealthConfig } from "../health/config.ts";
import type { NewFlowShares } from "../health/shares.ts";

/** Where an endpoint of the contract comes from, for messages. */
export interface EndpointPlace {
  address: string;
  port: number;
  /** Index in spec.listeners. */
  listener: number;
}

export interface PlannedBackend {
  address: string;
  port: number;
  weight: number;
}

/** A live QUIC-LB config without its key. */
export interface PlannedQuicLb {
  rotation: number;
  /** Octets. */
  serverIdLength: number;
  nonceLength: number;
  encrypted: boolean;
}

/** A valid manifest, ready to be applied. */
export interface Plan {
  name: string;
  namespace: string;
  mode: string;
  /** The endpoints of the contract, in its order. */
  endpoints: readonly EndpointPlace[];
  backends: readonly PlannedBackend[];
  /** QUIC-LB server IDs in hexadecimal by `address:port`. */
  serverIds: ReadonlyMap<string, string>;
  /** QUIC-LB keys by rotation, to tell whether one changed; secret, never shown. */
  quicLbKeys: ReadonlyMap<number, Uint8Array>;
  /** In the order of their rotation. */
  quicLbConfigs: readonly PlannedQuicLb[];
  /** What else the contract says, by name: for the log of a reload. */
  settings: Readonly<Record<string, string | number>>;
  upstreamSocketMaxAsked: number | undefined;
  /** Open files beside one for each flow that has a socket of its own. */
  openFilesNeeded: number;
  /** What the manifest says without effect, one line each. */
  warnings: readonly string[];
  /** Where the manifest wants metrics and health served; undefined for nowhere. */
  metrics: HostPort | undefined;
  /** How backends are checked; undefined for not at all. */
  health?: HealthConfig | undefined;
  /** The contract as the native side reads it. */
  encode(generation: number, shares?: NewFlowShares): Uint8Array;
}

export type PlanResult = { plan: Plan } | { faults: readonly string[] };

/** From the text of a manifest to a plan, or to every fault in it as one line each. */
export type PlanManifest = (text: string) => Promise<PlanResult>;
