/** How long an object stays as it was answered, whatever becomes of it: a webhook may answer differently each time. */
const REST_MS = 60_000;

interface Answer {
  readonly intent: string;
  readonly observed: string;
  readonly atMs: number;
}

/**
 * What the API server made of own writes, where that is not what was asked for: an admission webhook adds to a list, or the
 * CRDs are of another version. To write the same again would be answered the same, for ever.
 */
export class Answers {
  readonly #steadyMs: () => number;
  readonly #answers = new Map<string, Map<string, Answer>>();

  constructor(steadyMs: () => number) {
    this.#steadyMs = steadyMs;
  }

  /** Whether what is observed is what this intent was answered with. */
  explains(owner: string, object: string, { intent, observed }: Omit<Answer, "atMs">): boolean {
    const answer = this.#answers.get(owner)?.get(object);
    if (answer?.intent !== intent) return false;
    return answer.observed === observed || this.#steadyMs() - answer.atMs < REST_MS;
  }

  /** Returns whether this intent was not answered so before. */
  remember(owner: string, object: string, answer: Omit<Answer, "atMs">): boolean {
    const answers = this.#answers.get(owner) ?? new Map<string, Answer>();
    const isNew = answers.get(object)?.intent !== answer.intent;
    this.#answers.set(owner, answers.set(object, { ...answer, atMs: this.#steadyMs() }));
    return isNew;
  }

  forget(owner: string, object?: string): void {
    if (object === undefined) this.#answers.delete(owner);
    else this.#answers.get(owner)?.delete(object);
  }
}
