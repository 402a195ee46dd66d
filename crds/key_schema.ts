import { mapping, objectName, text, validations } from "./fields.ts";

/*
 * QuicProxyKey: the hash key of one QuicProxy, under its name. Made once; no node has to be there for it to last.
 */

export const HASH_KEY_PATTERN = /^[0-9a-f]{32}$/;

/** The same in every object that holds it. */
export function hashKey() {
  return text(HASH_KEY_PATTERN, 32, "32 hexadecimal digits");
}

export const keySpecShape = mapping({
  proxy: objectName("the name of a QuicProxy").describe("Name of the QuicProxy this belongs to."),
  hashKey: hashKey().describe(
    "Key of the hash that picks backends, the same on every node. Whoever reads it can choose the backend of a flow.",
  ),
}).meta(
  validations({
    rule: "self == oldSelf",
    message: "a key never changes; delete the object and create it anew to have another",
  }),
);
