/** Everything the data plane runs on, as one value. encode.ts writes it as native/abi/contract.h lays it out. */
export interface Contract {
  /** Grows with every contract of one process; the native side refuses an older one. */
  readonly generation: number;
  readonly mode: "RunToCompletion" | "Baseline" | "Decoupled";
  readonly fallback: "FourTuple" | "ConnectionID";
  /** Octets of the Connection ID in short headers, 1 to 20; undefined: learned from the servers' long headers. */
  readonly shortHeaderCidLength: number | undefined;
  /** Threads that forward, 1 to 64. */
  readonly workers: number;
  /** Datagrams per receive or send call, 1 to 1024. */
  readonly batch: number;
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
  readonly idleTimeoutMs: number;
  /** Sockets toward backends, of all workers together; UPSTREAM_SOCKETS_UNBOUNDED: what the open-file limit leaves. */
  readonly upstreamSocketMax: number;
  readonly upstreamLevel: "Auto" | "Sockets";
  /** Source ports toward backends where the level chooses them, 1 to 65535. */
  readonly upstreamPortFirst: number;
  readonly upstreamPortLast: number;
  /** Flow tables of all workers together. */
  readonly flowMemoryBytes: number;
  /** Flows that each worker may begin per second; more are refused and counted. */
  readonly newFlowsPerSecond: number;
  /** One connection in this many is noted along its way; 0: none. */
  readonly sampleOneIn: number;
  /** SipHash key, 16 octets, the same in every proxy of one QuicProxy. */
  readonly hashKey: Uint8Array;
  readonly endpoints: readonly Endpoint[];
  /** In the order of family, address, port: the order in the file decides nothing. */
  readonly backends: readonly Backend[];
  /** Live configs of draft-ietf-quic-load-balancers, by rotation; at most 7. */
  readonly quicLb: readonly QuicLb[];
  /** What backends are called in the Connection IDs of each config: by rotation, then in the order of backends. */
  readonly serverIds: readonly ServerId[];
}

/** One address family of one listener. */
export interface Endpoint {
  /** IP literal in canonical form. */
  readonly address: string;
  readonly family: 4 | 6;
  readonly port: number;
  /** Skipped without complaint where the host has no such address family. */
  readonly optional: boolean;
  /** Index in spec.listeners. */
  readonly listener: number;
}

export interface Backend {
  /** IP literal in canonical form. */
  readonly address: string;
  readonly family: 4 | 6;
  readonly port: number;
  /** Share of new flows, 0 to 65535 in steps of 1 / WEIGHT_UNITS; 0: keeps its flows, gets no new one. */
  readonly weight: number;
}

export interface QuicLb {
  /** Config rotation bits, 0 to 6. */
  readonly rotation: number;
  /** Octets, 1 to 15. */
  readonly serverIdLength: number;
  /** Octets, 4 to 18; with the server ID at most 19. */
  readonly nonceLength: number;
  /** AES-128 key, 16 octets; undefined: server IDs are in plain text. */
  readonly key: Uint8Array | undefined;
}

export interface ServerId {
  /** Index in backends. */
  readonly backend: number;
  /** Of the config in which the backend is called so. */
  readonly rotation: number;
  /** As many as that config's serverIdLength. */
  readonly octets: Uint8Array;
}

export const UPSTREAM_SOCKETS_UNBOUNDED = 0xffffffff;
export const HASH_KEY_BYTES = 16;
export const QUIC_LB_KEY_BYTES = 16;
