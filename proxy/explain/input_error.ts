/** What was asked about cannot be understood: the message says what, where and what would do instead. */
export class InputError extends Error {
  override readonly name = "InputError";
}
