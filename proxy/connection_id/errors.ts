/** What a caller can get wrong, and what runs out. */
export type ConnectionIdErrorCode =
  | "ROTATION"
  | "SERVER_ID"
  | "NONCE_LENGTH"
  | "TOTAL_LENGTH"
  | "KEY"
  | "NONCES"
  | "NONCE"
  | "NONCES_EXHAUSTED"
  | "LENGTH"
  | "CONFIGS";

/** Thrown by this library for every wrong option and when nonces run out. The message says what is allowed. */
export class ConnectionIdError extends Error {
  readonly code: ConnectionIdErrorCode;

  constructor(code: ConnectionIdErrorCode, message: string) {
    super(message);
    this.name = "ConnectionIdError";
    this.code = code;
  }
}
