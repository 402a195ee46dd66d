import { type QuicProxySpec, type QuicProxySpecInput, specShape } from "../../../../crds/schema.ts";

/** A spec with defaults; what is given replaces parts of the smallest valid one. */
export function specOf(parts: Partial<QuicProxySpecInput> = {}): QuicProxySpec {
  return specShape.parse({ listeners: [{ port: 443 }], backends: { static: [] }, ...parts });
}
