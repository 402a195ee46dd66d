/** A bundle cannot be understood: the message says what is wrong, where, and what would do instead. */
export class BundleError extends Error {
  override readonly name = "BundleError";
}
