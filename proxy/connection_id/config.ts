import { ConnectionIdError } from "./errors.ts";
import { type Octets, readOctets } from "./octets.ts";

/** How the Connection IDs of one configuration are laid out; the same on the load balancer and on all its servers. */
export interface ConnectionIdConfig {
  /** Config rotation bits, 0 to 6. */
  rotation: number;
  /** Octets, 1 to 15. */
  serverIdLength: number;
  /** Octets, 4 to 18; with the server ID at most 19. */
  nonceLength: number;
  /** AES-128 key, 16 octets. Absent: plain text. */
  key?: Octets;
}

/** A config whose every field is known to be right. */
export interface CheckedConfig {
  readonly rotation: number;
  readonly serverIdLength: number;
  readonly nonceLength: number;
  readonly key: Uint8Array | undefined;
}

export const keyOctets = 16;
/** RFC 9000 allows 20 octets; the first one is not server ID or nonce. */
export const mostBodyOctets = 19;
/** Rotation bits that mean "not routable". */
export const unroutableRotation = 7;

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

/** Throws ConnectionIdError for the first field that is wrong. Limits: draft-ietf-quic-load-balancers sections 3 and 5. */
export function checkConfig({ rotation, serverIdLength, nonceLength, key }: ConnectionIdConfig): CheckedConfig {
  if (!isWithin(rotation, 0, 6)) {
    throw new ConnectionIdError("ROTATION", `rotation must be 0 to 6 (7 means "not routable"), not ${rotation}`);
  }
  if (!isWithin(serverIdLength, 1, 15)) {
    throw new ConnectionIdError("SERVER_ID", `the server ID must have 1 to 15 octets, not ${serverIdLength}`);
  }
  if (!isWithin(nonceLength, 4, 18)) {
    throw new ConnectionIdError("NONCE_LENGTH", `nonceLength must be 4 to 18 octets, not ${nonceLength}`);
  }
  if (serverIdLength + nonceLength > mostBodyOctets) {
    const sum = `${serverIdLength} + ${nonceLength} = ${serverIdLength + nonceLength}`;
    throw new ConnectionIdError("TOTAL_LENGTH", `server ID and nonce must have at most 19 octets together, not ${sum}`);
  }
  return { rotation, serverIdLength, nonceLength, key: key === undefined ? undefined : readKey(key) };
}

function readKey(key: Octets): Uint8Array {
  const octets = readOctets(key, "key", "KEY");
  if (octets.length !== keyOctets) {
    throw new ConnectionIdError("KEY", `key must have 16 octets (AES-128), not ${octets.length}`);
  }
  return octets;
}
