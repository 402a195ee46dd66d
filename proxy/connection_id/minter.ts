import { randomInt } from "node:crypto";
import { ConnectionIdCodec } from "./codec.ts";
import { createNonceShuffle, NonceCounter, type NonceRange } from "./nonces.ts";
import { type Octets, readOctets } from "./octets.ts";

export interface MinterOptions {
  /** Config rotation bits, 0 to 6. */
  rotation: number;
  /** This server's ID, 1 to 15 octets, as octets or hexadecimal text. No other server may have it. */
  serverId: Octets;
  /** Octets, 4 to 18; with the server ID at most 19. */
  nonceLength: number;
  /** AES-128 key, 16 octets. Absent: plain text. */
  key?: Octets;
  /** Whether the low 5 bits of the first octet tell the length of the rest; otherwise they are random. Default true. */
  encodeLength?: boolean;
  /** Needed where a server goes on under the same key after a restart, or where processes share a server ID. */
  nonces?: NonceRange;
}

/** Mints the routable Connection IDs of one server (draft-ietf-quic-load-balancers-19 and later). */
export class ConnectionIdMinter {
  readonly #codec: ConnectionIdCodec;
  readonly #serverId: Uint8Array;
  readonly #nonces: NonceCounter;
  readonly #shuffle: ((nonce: Uint8Array) => Uint8Array) | undefined;
  readonly #encodeLength: boolean;

  /** Throws ConnectionIdError that says which option is wrong and what is allowed. */
  constructor({ rotation, serverId, nonceLength, key, encodeLength = true, nonces = {} }: MinterOptions) {
    this.#serverId = readOctets(serverId, "serverId", "SERVER_ID");
    const layout = { rotation, serverIdLength: this.#serverId.length, nonceLength };
    this.#codec = new ConnectionIdCodec(key === undefined ? layout : { ...layout, key });
    this.#nonces = new NonceCounter(nonceLength, nonces);
    this.#shuffle = key === undefined ? createNonceShuffle(nonceLength) : undefined;
    this.#encodeLength = encodeLength;
  }

  /** Octets of every Connection ID of this minter, 6 to 20: what the server must expect in short headers. */
  get length(): number {
    return this.#codec.length;
  }

  /** How many can still be minted. */
  get remaining(): bigint {
    return this.#nonces.remaining;
  }

  /** Less than an eighth can still be minted: time for a config of another rotation and key. */
  get nearlyExhausted(): boolean {
    return this.#nonces.nearlyExhausted;
  }

  /** `nonces.first` for the process that comes after this one. */
  get nextNonce(): bigint {
    return this.#nonces.next;
  }

  /** A Connection ID that no other call gave. Throws ConnectionIdError NONCES_EXHAUSTED instead of repeating one. */
  mint(): Uint8Array {
    const counted = this.#nonces.take();
    const nonce = this.#shuffle?.(counted) ?? counted;
    return this.#codec.encode(this.#serverId, nonce, this.#firstOctet());
  }

  #firstOctet(): number {
    return this.#encodeLength ? this.#codec.lengthOctet : (this.#codec.config.rotation << 5) | randomInt(32);
  }
}
