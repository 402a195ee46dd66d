export { ConnectionIdCodec, type ServerPart } from "./codec.ts";
export type { ConnectionIdConfig } from "./config.ts";
export { ConnectionIdDecoder, type Decoded } from "./decoder.ts";
export { ConnectionIdError, type ConnectionIdErrorCode } from "./errors.ts";
export { ConnectionIdMinter, type MinterOptions } from "./minter.ts";
export type { NonceRange } from "./nonces.ts";
export type { Octets } from "./octets.ts";
export { mintUnroutable } from "./unroutable.ts";
