export interface OnceEach {
  (error: Error): void;
  /** The trouble is over: the same one later is new. */
  forget(): void;
}

/** Says a trouble when it is new, and not at every attempt that meets it again. */
export function onceEach(say: (error: Error) => void): OnceEach {
  let last = "";
  const once = (error: Error): void => {
    if (error.message !== last) say(error);
    last = error.message;
  };
  const forget = (): void => {
    last = "";
  };
  return Object.assign(once, { forget });
}
