import { ConnectionIdError, type ConnectionIdErrorCode } from "./errors.ts";

/** Octets as such, or as hexadecimal text the way a manifest has them. */
export type Octets = Uint8Array | string;

/** A copy of the octets. Throws `code` with the name of the option when it is neither octets nor hexadecimal. */
export function readOctets(value: Octets, name: string, code: ConnectionIdErrorCode): Uint8Array {
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (typeof value === "string" && /^([0-9A-Fa-f]{2})*$/.test(value)) return Uint8Array.from(Buffer.from(value, "hex"));
  throw new ConnectionIdError(code, `${name} must be octets or an even number of hexadecimal digits`);
}

/** Big-endian, exactly `length` octets; `value` fits. */
export function octetsOfInteger(value: bigint, length: number): Uint8Array {
  return Uint8Array.from(Buffer.from(value.toString(16).padStart(2 * length, "0"), "hex"));
}

export function integerOfOctets(octets: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(octets).toString("hex") || "0"}`);
}
