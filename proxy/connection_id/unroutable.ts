import { randomBytes } from "node:crypto";
import { unroutableRotation } from "./config.ts";
import { ConnectionIdError } from "./errors.ts";

/**
 * A random Connection ID that says of itself that it is not routable: for a server without config. It tells its
 * length, as section 3.1 of the draft asks. `length`: all octets, 8 to 20.
 */
export function mintUnroutable(length = 8): Uint8Array {
  if (!Number.isInteger(length) || length < 8 || length > 20) {
    throw new ConnectionIdError("LENGTH", `an unroutable Connection ID must have 8 to 20 octets, not ${length}`);
  }
  const cid = Uint8Array.from(randomBytes(length));
  cid[0] = (unroutableRotation << 5) | (length - 1);
  return cid;
}
