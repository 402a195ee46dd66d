import type { Change } from "../../kube/informer.ts";

/** Values by what they belong to, so that nobody looks at all of them. */
export class Groups<T> {
  readonly #groupOf: (value: T) => string;
  readonly #members = new Map<string, Map<string, T>>();
  readonly #lists = new Map<string, readonly T[]>();

  constructor(groupOf: (value: T) => string) {
    this.#groupOf = groupOf;
  }

  take({ key, value, before }: Change<T>): void {
    if (before !== undefined) this.#remove(this.#groupOf(before), key);
    if (value === undefined) return;
    const group = this.#groupOf(value);
    const members = this.#members.get(group) ?? new Map<string, T>();
    this.#members.set(group, members.set(key, value));
    this.#lists.delete(group);
  }

  of(group: string): readonly T[] {
    const known = this.#lists.get(group);
    if (known !== undefined) return known;
    const members = this.#members.get(group);
    if (members === undefined) return [];
    const list = [...members.values()];
    this.#lists.set(group, list);
    return list;
  }

  #remove(group: string, key: string): void {
    const members = this.#members.get(group);
    members?.delete(key);
    if (members?.size === 0) this.#members.delete(group);
    this.#lists.delete(group);
  }
}
