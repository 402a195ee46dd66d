import { type Alias, isAlias, isMap, isScalar, isSeq, type LineCounter, type Node } from "yaml";
import { type Path, quote } from "./fault.ts";

export interface Position {
  readonly line: number;
  readonly column: number;
}

interface Place {
  readonly at: Node | null;
  readonly value: Node | null;
}

/**
 * From a path of the plain value back to the document. Looked up only where something is wrong: remembering every node
 * of a list of 10,000 would cost more than the rest of the walk.
 */
export class Places {
  readonly #root: Node | null;
  readonly #lines: LineCounter;
  /** What each alias stands for; filled by the walk. */
  readonly targets = new Map<Alias, Node | null>();
  /** Keys that were read as others. */
  readonly renamed = new Map<Node, string>();

  constructor(root: Node | null, lines: LineCounter) {
    this.#root = root;
    this.#lines = lines;
  }

  position(node: Node | null): Position {
    const { line, col } = this.#lines.linePos(node?.range?.[0] ?? 0);
    return { line, column: col };
  }

  /** Where a path stands; of a missing one, where the nearest mapping or list around it stands. */
  locate(path: Path): Position {
    for (let length = path.length; length > 0; length--) {
      const place = this.#find(path.slice(0, length));
      if (place !== undefined) return this.position(place.at);
    }
    return this.position(this.#root);
  }

  /** What stands at a path, in words. */
  found(path: Path): string {
    const place = this.#find(path);
    return place === undefined ? "is missing" : describe(place.value);
  }

  keyText(keyNode: Node | null): string | undefined {
    const target = this.#target(keyNode);
    return isScalar(target) && target.value !== null ? String(target.value) : undefined;
  }

  #find(path: Path): Place | undefined {
    let place: Place = { at: this.#root, value: this.#target(this.#root) };
    for (const part of path) {
      const next = this.#step(place.value, part);
      if (next === undefined) return undefined;
      place = next;
    }
    return place;
  }

  #step(node: Node | null, part: string | number): Place | undefined {
    if (isSeq(node)) {
      const item = node.items[Number(part)] as Node | undefined;
      return item === undefined ? undefined : { at: item, value: this.#target(item) };
    }
    if (!isMap(node)) return undefined;
    const pairs = node.items as { key: Node; value: Node | null }[];
    const pair = pairs.find(({ key }) => (this.renamed.get(key) ?? this.keyText(key)) === part);
    if (pair === undefined) return undefined;
    const value = this.#target(pair.value);
    return { at: isBlank(value) ? pair.key : pair.value, value };
  }

  #target(node: Node | null): Node | null {
    return isAlias(node) ? (this.targets.get(node) ?? null) : node;
  }
}

function isBlank(node: Node | null): boolean {
  return node === null || (isScalar(node) && node.source === "");
}

function describe(node: Node | null): string {
  if (isMap(node)) return "found a mapping";
  if (isSeq(node)) return `found a list of ${node.items.length}`;
  if (!isScalar(node) || isBlank(node)) return "is empty";
  return typeof node.value === "string" ? `found the text ${quote(node.value)}` : `found ${node.source}`;
}
