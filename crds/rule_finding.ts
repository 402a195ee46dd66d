import type { QuicProxySpecInput } from "./schema.ts";

/** What a cross-field rule found: where in the spec, what is wrong there, what is allowed instead. */
export interface RuleFinding {
  readonly path: readonly (string | number)[];
  readonly what: string;
  readonly allowed: string;
}

/** A value of which any part may be missing, because it was absent or had a fault of its own. */
export type Sound<T> = T extends readonly (infer E)[]
  ? readonly (Sound<E> | undefined)[]
  : T extends object
    ? { readonly [K in keyof T]?: Sound<T[K]> | undefined }
    : T;

export type SoundSpec = Sound<QuicProxySpecInput>;
