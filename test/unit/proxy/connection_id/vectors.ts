import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Vector {
  /** Undefined: plain text. */
  key: string | undefined;
  rotation: number;
  serverId: string;
  nonce: string;
  cid: string;
}

const file = join(import.meta.dirname, "../../../../examples/quic-lb-vectors.txt");

/** The Connection IDs that every implementation in this repository must build and read. */
export const vectors: readonly Vector[] = readFileSync(file, "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => {
    const [key, rotation, serverId, nonce, cid] = line.split(" ") as [string, string, string, string, string];
    return { key: key === "-" ? undefined : key, rotation: Number(rotation), serverId, nonce, cid };
  });

export const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
export const toHex = (octets: Uint8Array): string => Buffer.from(octets).toString("hex");

/** Every pair of lengths that the draft allows, server ID first. */
export const lengthPairs: readonly (readonly [number, number])[] = Array.from({ length: 15 }, (_, index) => index + 1)
  .flatMap((serverId) => Array.from({ length: 15 }, (_, index) => [serverId, index + 4] as const))
  .filter(([serverId, nonce]) => serverId + nonce <= 19);
