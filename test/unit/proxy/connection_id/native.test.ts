import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ConnectionIdMinter } from "../../../../proxy/connection_id/index.ts";
import { lengthPairs, toHex, vectors } from "./vectors.ts";

const native = join(import.meta.dirname, "../../../../native");
const key = "fdf726a9893ec05c0632d3956680baf0";
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "quicproxy-cids-"));
  const sources = [
    join(import.meta.dirname, "decode_cids.cc"),
    `${native}/route/quic_lb.cc`,
    `${native}/route/aes128.cc`,
  ];
  const options = ["-std=c++20", "-O1", "-I", native];
  execFileSync("c++", [...options, ...sources, "-o", join(directory, "decode_cids")], { stdio: "pipe" });
}, 120_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function decodeNatively(lines: readonly string[]): string[] {
  const output = execFileSync(join(directory, "decode_cids"), { input: `${lines.join("\n")}\n`, encoding: "utf8" });
  return output.trimEnd().split("\n");
}

test("the proxy's own decoder reads every vector", () => {
  const lines = vectors.map(
    ({ key: vectorKey, serverId, nonce, cid }) =>
      `${serverId.length / 2} ${nonce.length / 2} ${vectorKey ?? "-"} ${cid}`,
  );
  expect(decodeNatively(lines)).toEqual(vectors.map(({ serverId }) => serverId));
});

test("the proxy's own decoder reads the server ID out of whatever is minted", () => {
  const expected: string[] = [];
  const lines = lengthPairs.flatMap(([serverIdLength, nonceLength]) =>
    [undefined, key].flatMap((secret) => {
      const serverId = toHex(Uint8Array.from({ length: serverIdLength }, (_, index) => 0x31 + 7 * index));
      const options = { rotation: 3, serverId, nonceLength, encodeLength: false };
      const minter = new ConnectionIdMinter(secret === undefined ? options : { ...options, key: secret });
      return Array.from({ length: 50 }, () => {
        expected.push(serverId);
        return `${serverIdLength} ${nonceLength} ${secret ?? "-"} ${toHex(minter.mint())}`;
      });
    }),
  );
  expect(lines).toHaveLength(120 * 2 * 50);
  expect(decodeNatively(lines)).toEqual(expected);
});
