import { randomBytes } from "node:crypto";
import { BodyCipher } from "./cipher.ts";
import { keyOctets } from "./config.ts";
import { ConnectionIdError } from "./errors.ts";
import { integerOfOctets, octetsOfInteger } from "./octets.ts";

/** The share of all nonces that one minter may use. */
export interface NonceRange {
  /** The first one, as a big-endian number. Default: random. */
  first?: bigint;
  /** How many, counted on from the first and around. Default: all there are. */
  count?: bigint;
}

/** Counts nonces up from a start, around at the end, and never gives one twice. */
export class NonceCounter {
  readonly #length: number;
  readonly #count: bigint;
  #next: bigint;
  #remaining: bigint;

  /** `length` in octets. Throws ConnectionIdError for a range that does not fit. */
  constructor(length: number, { first, count }: NonceRange = {}) {
    const all = 1n << BigInt(8 * length);
    if (first !== undefined && (first < 0n || first >= all)) {
      throw new ConnectionIdError("NONCES", `nonces.first must be 0 to 2^${8 * length} - 1`);
    }
    if (count !== undefined && (count < 1n || count > all)) {
      throw new ConnectionIdError("NONCES", `nonces.count must be 1 to 2^${8 * length}`);
    }
    this.#length = length;
    this.#next = first ?? integerOfOctets(randomBytes(length));
    this.#count = count ?? all;
    this.#remaining = this.#count;
  }

  get remaining(): bigint {
    return this.#remaining;
  }

  /** Less than an eighth is left. */
  get nearlyExhausted(): boolean {
    return this.#remaining < this.#count / 8n;
  }

  /** The number that the next nonce has: what a server keeps to go on after a restart. */
  get next(): bigint {
    return this.#next;
  }

  take(): Uint8Array {
    if (this.#remaining === 0n) {
      throw new ConnectionIdError(
        "NONCES_EXHAUSTED",
        `all ${this.#count} nonces are used: go on with a config of another rotation and key, not with these again`,
      );
    }
    const nonce = octetsOfInteger(this.#next, this.#length);
    this.#next = (this.#next + 1n) % (1n << BigInt(8 * this.#length));
    this.#remaining--;
    return nonce;
  }
}

/**
 * A one-to-one map of the nonces of a length that only this process knows: where no key hides them, counted nonces
 * would tell an observer how many connections a server has, and which of them came from one client in a row.
 */
export function createNonceShuffle(length: number): (nonce: Uint8Array) => Uint8Array {
  const cipher = new BodyCipher(randomBytes(keyOctets), length);
  return (nonce) => cipher.seal(nonce);
}
