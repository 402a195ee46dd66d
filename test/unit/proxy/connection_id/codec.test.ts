import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { ConnectionIdCodec, ConnectionIdDecoder } from "../../../../proxy/connection_id/index.ts";
import { fromHex, lengthPairs, toHex, vectors } from "./vectors.ts";

const key = "8f95f09245765f80256934e50c66207f";

test("the vectors are those of the draft and one for every pair of lengths", () => {
  expect(vectors).toHaveLength(8 + 120);
  expect(new Set(vectors.map(({ serverId, nonce }) => `${serverId.length}+${nonce.length}`))).toHaveLength(120);
});

test.each(vectors)("$cid is built from server ID $serverId and nonce $nonce, and read again", (vector) => {
  const layout = {
    rotation: vector.rotation,
    serverIdLength: vector.serverId.length / 2,
    nonceLength: vector.nonce.length / 2,
    ...(vector.key === undefined ? {} : { key: vector.key }),
  };
  const codec = new ConnectionIdCodec(layout);
  expect(toHex(codec.encode(fromHex(vector.serverId), fromHex(vector.nonce)))).toBe(vector.cid);
  const part = codec.decode(fromHex(vector.cid))!;
  expect(toHex(part.serverId)).toBe(vector.serverId);
  expect(toHex(part.nonce)).toBe(vector.nonce);
  expect(part.rest).toHaveLength(0);
});

test("four-pass Connection IDs of drafts up to 18 are not read as the same server", () => {
  const codec = new ConnectionIdCodec({ rotation: 0, serverIdLength: 3, nonceLength: 4, key });
  for (const earlier of ["074126ee38bf5454", "07fbfe05f731b425"]) {
    expect(toHex(codec.decode(fromHex(earlier))!.serverId)).not.toBe("ed793a");
  }
});

test("every legal pair of lengths comes back, with and without key, also with octets behind it", () => {
  expect(lengthPairs).toHaveLength(120);
  for (const [serverIdLength, nonceLength] of lengthPairs) {
    for (const keyed of [{}, { key }]) {
      const codec = new ConnectionIdCodec({ rotation: 6, serverIdLength, nonceLength, ...keyed });
      for (let round = 0; round < 20; round++) {
        const [serverId, nonce] = [randomBytes(serverIdLength), randomBytes(nonceLength)];
        const cid = codec.encode(serverId, nonce);
        expect(cid).toHaveLength(codec.length);
        const part = codec.decode(Uint8Array.from([...cid, 0xee, 0xff]))!;
        expect([toHex(part.serverId), toHex(part.nonce), toHex(part.rest)]).toEqual([
          toHex(serverId),
          toHex(nonce),
          "eeff",
        ]);
      }
    }
  }
}, 60_000);

test("encoding refuses a server ID, nonce or first octet of another layout", () => {
  const codec = new ConnectionIdCodec({ rotation: 1, serverIdLength: 3, nonceLength: 4 });
  const [serverId, nonce] = [fromHex("c4605e"), fromHex("4504cc4f")];
  expect(() => codec.encode(fromHex("c460"), nonce)).toThrow("the server ID must have 3 octets");
  expect(() => codec.encode(serverId, fromHex("4504cc4f00"))).toThrow("the nonce must have 4 octets");
  expect(() => codec.encode(serverId, nonce, 0x07)).toThrow("the first octet does not begin with rotation 1");
  expect(toHex(codec.encode(serverId, nonce, 0x3f))).toBe("3fc4605e4504cc4f");
});

test("the decoder tells why a Connection ID is not routable", () => {
  const decoder = new ConnectionIdDecoder([
    { rotation: 0, serverIdLength: 3, nonceLength: 4 },
    { rotation: 2, serverIdLength: 8, nonceLength: 8, key },
  ]);
  const why = (hex: string): unknown => {
    const decoded = decoder.decode(fromHex(hex));
    return decoded.routable ? toHex(decoded.serverId) : decoded.why;
  };
  expect(why("07c4605e4504cc4f")).toBe("c4605e");
  expect(why("504dd2d05a7b0de9b2b9907afb5ecf8cc3")).toBe("ed793a51d49b8f5f");
  expect(why("504dd2d05a7b0de9b2b9907afb5ecf8cc3aabbcc")).toBe("ed793a51d49b8f5f");
  expect(why("")).toBe("Empty");
  expect(why("07c4605e4504cc")).toBe("TooShort");
  expect(why("504dd2d05a7b0de9b2b9907afb5ecf8c")).toBe("TooShort");
  expect(why("27c4605e4504cc4f")).toBe("UnknownRotation");
  expect(why("e0c4605e4504cc4f")).toBe("MarkedUnroutable");
  expect(why(`ff${"00".repeat(19)}`)).toBe("MarkedUnroutable");
});

test("two configs of one rotation are refused", () => {
  const config = { rotation: 0, serverIdLength: 3, nonceLength: 4 };
  expect(() => new ConnectionIdDecoder([config, config])).toThrow("rotation 0 is in two configs");
});
