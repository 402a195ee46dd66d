import { BodyCipher } from "./cipher.ts";
import { type CheckedConfig, type ConnectionIdConfig, checkConfig } from "./config.ts";
import { ConnectionIdError } from "./errors.ts";

/** What a Connection ID of a known config says. */
export interface ServerPart {
  serverId: Uint8Array;
  nonce: Uint8Array;
  /** Octets behind the nonce, for the server's own use. */
  rest: Uint8Array;
}

/** Builds and reads Connection IDs of one config. */
export class ConnectionIdCodec {
  readonly config: CheckedConfig;
  readonly #cipher: BodyCipher | undefined;

  /** Throws ConnectionIdError. */
  constructor(config: ConnectionIdConfig) {
    this.config = checkConfig(config);
    const { key, serverIdLength, nonceLength } = this.config;
    this.#cipher = key === undefined ? undefined : new BodyCipher(key, serverIdLength + nonceLength);
  }

  /** Octets that a Connection ID has, or at least has where the server adds its own. */
  get length(): number {
    return 1 + this.config.serverIdLength + this.config.nonceLength;
  }

  /** The first octet of a Connection ID that tells its own length. */
  get lengthOctet(): number {
    return (this.config.rotation << 5) | (this.length - 1);
  }

  /** Never the same nonce twice under one key: two equal ones reveal it. Throws ConnectionIdError for wrong lengths. */
  encode(serverId: Uint8Array, nonce: Uint8Array, firstOctet: number = this.lengthOctet): Uint8Array {
    const { serverIdLength, nonceLength, rotation } = this.config;
    if (serverId.length !== serverIdLength) {
      throw new ConnectionIdError("SERVER_ID", `the server ID must have ${serverIdLength} octets`);
    }
    if (nonce.length !== nonceLength) throw new ConnectionIdError("NONCE", `the nonce must have ${nonceLength} octets`);
    if (firstOctet >> 5 !== rotation) {
      throw new ConnectionIdError("ROTATION", `the first octet does not begin with rotation ${rotation}`);
    }
    const cid = new Uint8Array(this.length);
    cid[0] = firstOctet;
    cid.set(serverId, 1);
    cid.set(nonce, 1 + serverIdLength);
    if (this.#cipher !== undefined) cid.set(this.#cipher.seal(cid.subarray(1)), 1);
    return cid;
  }

  /** Undefined when the Connection ID has another rotation or is too short. Longer than needed is fine. */
  decode(cid: Uint8Array): ServerPart | undefined {
    if (cid.length < this.length || cid[0]! >> 5 !== this.config.rotation) return undefined;
    const body = cid.slice(1, this.length);
    const plain = this.#cipher?.open(body) ?? body;
    const { serverIdLength } = this.config;
    return {
      serverId: Uint8Array.from(plain.subarray(0, serverIdLength)),
      nonce: Uint8Array.from(plain.subarray(serverIdLength)),
      rest: cid.slice(this.length),
    };
  }
}
