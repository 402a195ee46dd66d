import { type Cipheriv, createCipheriv, createDecipheriv, type Decipheriv } from "node:crypto";

const blockOctets = 16;

/**
 * Encrypts and decrypts what follows a Connection ID's first octet: server ID and nonce, 5 to 19 octets, in place of
 * each other. Exactly 16 octets are one AES block; any other length takes four passes of a Feistel network
 * (draft-ietf-quic-load-balancers-19 and later, section 5.4).
 */
export class BodyCipher {
  readonly #length: number;
  readonly #encryptor: Cipheriv;
  readonly #decryptor: Decipheriv;

  /** `key`: 16 octets; `length`: octets of the body. */
  constructor(key: Uint8Array, length: number) {
    this.#length = length;
    // ECB without padding keeps no state from block to block, so one object serves every Connection ID.
    this.#encryptor = createCipheriv("aes-128-ecb", key, null).setAutoPadding(false);
    this.#decryptor = createDecipheriv("aes-128-ecb", key, null).setAutoPadding(false);
  }

  seal(body: Uint8Array): Uint8Array {
    return this.#length === blockOctets ? this.#encryptor.update(body) : this.#passes(body, [1, 2, 3, 4]);
  }

  open(body: Uint8Array): Uint8Array {
    return this.#length === blockOctets ? this.#decryptor.update(body) : this.#passes(body, [4, 3, 2, 1]);
  }

  /** Odd passes change the right half by the left one, even passes the left half by the right one. */
  #passes(body: Uint8Array, numbers: readonly number[]): Uint8Array {
    const [left, right] = this.#split(body);
    for (const number of numbers) {
      if (number % 2 === 1) this.#pass(left, number, right);
      else this.#pass(right, number, left);
      this.#keepOwnNibble(left, right);
    }
    return this.#join(left, right);
  }

  get #half(): number {
    return Math.ceil(this.#length / 2);
  }

  /** With an odd length the middle octet is split: its high nibble ends the left half, its low one begins the right. */
  #split(body: Uint8Array): [left: Uint8Array, right: Uint8Array] {
    const left = body.slice(0, this.#half);
    const right = body.slice(this.#length - this.#half);
    this.#keepOwnNibble(left, right);
    return [left, right];
  }

  #keepOwnNibble(left: Uint8Array, right: Uint8Array): void {
    if (this.#length % 2 === 0) return;
    left[left.length - 1]! &= 0xf0;
    right[0]! &= 0x0f;
  }

  /** into ^= truncate(AES(from, zeroes, length, number)) */
  #pass(from: Uint8Array, number: number, into: Uint8Array): void {
    const block = new Uint8Array(blockOctets);
    block.set(from);
    block[14] = this.#length;
    block[15] = number;
    const pad = this.#encryptor.update(block);
    for (let index = 0; index < into.length; index++) into[index]! ^= pad[index]!;
  }

  #join(left: Uint8Array, right: Uint8Array): Uint8Array {
    const body = new Uint8Array(this.#length);
    body.set(left);
    const rightAt = this.#length - this.#half;
    for (let index = 0; index < right.length; index++) body[rightAt + index]! |= right[index]!;
    return body;
  }
}
