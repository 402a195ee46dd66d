import { expect, test } from "vitest";
import {
  ConnectionIdCodec,
  ConnectionIdError,
  ConnectionIdMinter,
  type MinterOptions,
  mintUnroutable,
} from "../../../../proxy/connection_id/index.ts";
import { lengthPairs, toHex } from "./vectors.ts";

const key = "8f95f09245765f80256934e50c66207f";
const plain: MinterOptions = { rotation: 1, serverId: "c4605e", nonceLength: 4 };
const keyed: MinterOptions = { ...plain, key };

const nonceOf = (cid: Uint8Array): string =>
  toHex(new ConnectionIdCodec({ rotation: 1, serverIdLength: 3, nonceLength: 4, key }).decode(cid)!.nonce);

test("of every legal pair of lengths, what is minted carries the server ID, 30 times without a repetition", () => {
  for (const [serverIdLength, nonceLength] of lengthPairs) {
    for (const withKey of [{}, { key }]) {
      const serverId = "a7".repeat(serverIdLength);
      const minter = new ConnectionIdMinter({ rotation: 5, serverId, nonceLength, ...withKey });
      const codec = new ConnectionIdCodec({ rotation: 5, serverIdLength, nonceLength, ...withKey });
      const minted = Array.from({ length: 30 }, () => minter.mint());
      expect(new Set(minted.map(toHex))).toHaveLength(30);
      const firstOctet = (5 << 5) | (minter.length - 1);
      const said = minted.map((cid) => [cid.length, cid[0], toHex(codec.decode(cid)!.serverId)].join(" "));
      expect(new Set(said)).toEqual(new Set([[minter.length, firstOctet, serverId].join(" ")]));
    }
  }
}, 60_000);

test("with a key, nonces count up from the given start and around", () => {
  const minter = new ConnectionIdMinter({ ...keyed, nonces: { first: 0xffff_fffen } });
  expect([1, 2, 3].map(() => nonceOf(minter.mint()))).toEqual(["fffffffe", "ffffffff", "00000000"]);
  expect(minter.nextNonce).toBe(1n);
  expect(minter.remaining).toBe(2n ** 32n - 3n);
});

test("without a start, each minter begins at a random nonce", () => {
  const starts = Array.from({ length: 20 }, () => new ConnectionIdMinter(keyed).nextNonce);
  expect(new Set(starts).size).toBeGreaterThan(15);
});

test("in plain text, what follows the server ID neither counts up nor repeats", () => {
  const minter = new ConnectionIdMinter({ ...plain, nonces: { first: 0n } });
  const nonces = Array.from({ length: 5_000 }, () => toHex(minter.mint()).slice(8));
  expect(new Set(nonces)).toHaveLength(5_000);
  const steps = nonces.slice(1).map((nonce, index) => Number.parseInt(nonce, 16) - Number.parseInt(nonces[index]!, 16));
  expect(steps.filter((step) => step === 1).length).toBeLessThan(5);
});

test("a minter ends with an error instead of repeating a nonce, and says so before", () => {
  const minter = new ConnectionIdMinter({ ...keyed, nonces: { first: 7n, count: 16n } });
  const seen = new Set<string>();
  for (let left = 16; left > 0; left--) {
    expect(minter.remaining).toBe(BigInt(left));
    expect(minter.nearlyExhausted).toBe(left < 2);
    seen.add(nonceOf(minter.mint()));
  }
  expect(seen).toHaveLength(16);
  for (let again = 0; again < 2; again++) {
    expect(() => minter.mint()).toThrow(
      new ConnectionIdError(
        "NONCES_EXHAUSTED",
        "all 16 nonces are used: go on with a config of another rotation and key, not with these again",
      ),
    );
  }
});

test("two processes with one server ID and half of the nonces each never mint the same", () => {
  const half = 2n ** 31n;
  const minted = [0n, half].flatMap((first) => {
    const minter = new ConnectionIdMinter({ ...keyed, nonces: { first, count: half } });
    return Array.from({ length: 500 }, () => toHex(minter.mint()));
  });
  expect(new Set(minted)).toHaveLength(1_000);
});

test("the first octet's low bits are random when they do not tell the length", () => {
  const minter = new ConnectionIdMinter({ ...keyed, encodeLength: false });
  const octets = Array.from({ length: 500 }, () => minter.mint()[0]!);
  expect(new Set(octets.map((octet) => octet >> 5))).toEqual(new Set([1]));
  expect(new Set(octets).size).toBeGreaterThan(20);
});

test("the caller's octets are copied", () => {
  const serverId = Uint8Array.from([1, 2, 3]);
  const secret = Uint8Array.from(Buffer.from(key, "hex"));
  const minter = new ConnectionIdMinter({ ...plain, serverId, key: secret, nonces: { first: 9n } });
  serverId.fill(0xff);
  secret.fill(0);
  const expected = new ConnectionIdMinter({ ...plain, serverId: "010203", key, nonces: { first: 9n } }).mint();
  expect(toHex(minter.mint())).toBe(toHex(expected));
});

test.each<[Partial<MinterOptions>, string, string]>([
  [{ rotation: 7 }, "ROTATION", 'rotation must be 0 to 6 (7 means "not routable"), not 7'],
  [{ rotation: 1.5 }, "ROTATION", 'rotation must be 0 to 6 (7 means "not routable"), not 1.5'],
  [{ rotation: -1 }, "ROTATION", 'rotation must be 0 to 6 (7 means "not routable"), not -1'],
  [{ serverId: "" }, "SERVER_ID", "the server ID must have 1 to 15 octets, not 0"],
  [{ serverId: "00".repeat(16) }, "SERVER_ID", "the server ID must have 1 to 15 octets, not 16"],
  [{ serverId: "c4605" }, "SERVER_ID", "serverId must be octets or an even number of hexadecimal digits"],
  [{ serverId: "0xc460" }, "SERVER_ID", "serverId must be octets or an even number of hexadecimal digits"],
  [{ serverId: 3 as never }, "SERVER_ID", "serverId must be octets or an even number of hexadecimal digits"],
  [{ nonceLength: 3 }, "NONCE_LENGTH", "nonceLength must be 4 to 18 octets, not 3"],
  [{ nonceLength: 19 }, "NONCE_LENGTH", "nonceLength must be 4 to 18 octets, not 19"],
  [{ nonceLength: "8" as never }, "NONCE_LENGTH", "nonceLength must be 4 to 18 octets, not 8"],
  [{ nonceLength: 17 }, "TOTAL_LENGTH", "server ID and nonce must have at most 19 octets together, not 3 + 17 = 20"],
  [{ key: "8f95" }, "KEY", "key must have 16 octets (AES-128), not 2"],
  [{ key: "zz" }, "KEY", "key must be octets or an even number of hexadecimal digits"],
  [{ nonces: { first: 2n ** 32n } }, "NONCES", "nonces.first must be 0 to 2^32 - 1"],
  [{ nonces: { first: -1n } }, "NONCES", "nonces.first must be 0 to 2^32 - 1"],
  [{ nonces: { count: 0n } }, "NONCES", "nonces.count must be 1 to 2^32"],
  [{ nonces: { count: 2n ** 32n + 1n } }, "NONCES", "nonces.count must be 1 to 2^32"],
])("%o is refused as %s", (wrong, code, message) => {
  expect(() => new ConnectionIdMinter({ ...plain, ...wrong })).toThrow(new ConnectionIdError(code as never, message));
});

test("an unroutable Connection ID says so, tells its length and is random", () => {
  for (const length of [8, 15, 20]) {
    const cid = mintUnroutable(length);
    expect(cid).toHaveLength(length);
    expect(cid[0]).toBe(0xe0 | (length - 1));
    expect(toHex(mintUnroutable(length))).not.toBe(toHex(cid));
  }
  expect(mintUnroutable()).toHaveLength(8);
  for (const length of [7, 21, 9.5]) expect(() => mintUnroutable(length)).toThrow("must have 8 to 20 octets");
});
