import { type Alias, isAlias, isMap, isScalar, isSeq, type LineCounter, type Node, type YAMLMap } from "yaml";
import { quicProxyShape } from "../../crds/schema.ts";
import type { ManifestDocument } from "./documents.ts";
import { type Finding, formatPath, type Path, quote } from "./fault.ts";
import { nearest } from "./nearest.ts";
import { Places } from "./places.ts";
import { elsewhere, entryOf, isMisspelled, keysOf, type Shape } from "./shape.ts";

/** The plain value of a document, with misspelled keys under the names that were meant, and where each part stands. */
export interface Recognised {
  readonly value: unknown;
  readonly faults: readonly Finding[];
  /** False where the walk gave up (aliases or depth without end): the value is then good for nothing. */
  readonly complete: boolean;
  readonly places: Places;
}

interface UnknownKey {
  readonly key: string;
  readonly keyNode: Node;
  readonly valueNode: Node | null;
}

const MAX_ALIASES = 100;
const MAX_DEPTH = 64;

/** Walks document and shape side by side. A value under a misspelled key is still read, so its own faults show at once. */
export function recognise(document: ManifestDocument, lines: LineCounter): Recognised {
  return new Walk(document, lines).run();
}

class Walk {
  readonly #document: ManifestDocument;
  readonly #places: Places;
  readonly #faults: Finding[] = [];
  #aliases = 0;
  #complete = true;

  constructor(document: ManifestDocument, lines: LineCounter) {
    this.#document = document;
    this.#places = new Places(document.contents, lines);
  }

  run(): Recognised {
    const value = this.#read(this.#document.contents, quicProxyShape, []);
    return { value, faults: this.#faults, complete: this.#complete, places: this.#places };
  }

  #read(node: Node | null, shape: Shape, path: Path): unknown {
    if (!this.#complete) return null;
    if (path.length > MAX_DEPTH) return this.#giveUp(node, path, "is nested too deeply", `at most ${MAX_DEPTH} levels`);
    const target = isAlias(node) ? this.#resolve(node, path) : node;
    if (isMap(target)) return this.#readMap(target, shape, path);
    if (!isSeq(target)) return isScalar(target) ? target.value : null;
    return target.items.map((item, index) => this.#read(item as Node, entryOf(shape, index)?.shape, [...path, index]));
  }

  #readMap(map: YAMLMap, shape: Shape, path: Path): unknown {
    const value: Record<string, unknown> = Object.create(null);
    const written = new Map<string, Node>();
    const unknown: UnknownKey[] = [];
    for (const { key: keyNode, value: valueNode } of map.items as { key: Node; value: Node | null }[]) {
      const key = this.#key(keyNode, path);
      if (key === undefined || this.#isRepeated(written, key, keyNode, path)) continue;
      const entry = entryOf(shape, key);
      if (entry === undefined || isMisspelled(key, shape)) unknown.push({ key, keyNode, valueNode });
      else value[key] = this.#read(valueNode, entry.shape, [...path, key]);
    }
    for (const entry of unknown) this.#readUnknown(entry, value, shape, path);
    return value;
  }

  #readUnknown(
    { key, keyNode, valueNode }: UnknownKey,
    value: Record<string, unknown>,
    shape: Shape,
    path: Path,
  ): void {
    const known = keysOf(shape);
    const free = known.filter((name) => !(name in value));
    const meant = nearest(key, free);
    const suggestion = meant ?? nearest(key, known) ?? elsewhere(key);
    this.#fault(keyNode, [...path, key], {
      what: "is not a known key",
      allowed: known.join(", "),
      ...(suggestion === undefined ? {} : { suggestion }),
    });
    if (meant === undefined) return;
    this.#places.renamed.set(keyNode, meant);
    value[meant] = this.#read(valueNode, entryOf(shape, meant)?.shape, [...path, meant]);
  }

  #key(node: Node, path: Path): string | undefined {
    if (isAlias(node)) this.#resolve(node, path);
    const key = this.#places.keyText(node);
    if (key === undefined) this.#refuse(node, path, "has a key that is not a word", "plain words as keys");
    return key;
  }

  #isRepeated(written: Map<string, Node>, key: string, keyNode: Node, path: Path): boolean {
    const first = written.get(key);
    if (first === undefined) written.set(key, keyNode);
    else {
      const what = `is written again (first in line ${this.#places.position(first).line})`;
      this.#refuse(keyNode, [...path, key], what, "each key once");
    }
    return first !== undefined;
  }

  #resolve(alias: Alias, path: Path): Node | null {
    this.#aliases++;
    if (this.#aliases > MAX_ALIASES) {
      return this.#giveUp(alias, path, "has too many aliases", `at most ${MAX_ALIASES} uses of anchors in a file`);
    }
    const target = alias.resolve(this.#document) ?? null;
    this.#places.targets.set(alias, target);
    if (target === null) {
      const what = `refers to the anchor ${quote(alias.source)}, which is not set before it`;
      this.#refuse(alias, path, what, "an anchor that is set earlier in the file");
    }
    return target;
  }

  #giveUp(node: Node | null, path: Path, what: string, allowed: string): null {
    this.#complete = false;
    this.#refuse(node, path, what, allowed);
    return null;
  }

  #refuse(node: Node | null, path: Path, what: string, allowed: string): void {
    this.#fault(node, path, { what, allowed });
  }

  #fault(node: Node | null, path: Path, text: Pick<Finding, "what" | "allowed" | "suggestion">): void {
    this.#faults.push({ path: formatPath(path), ...this.#places.position(node), ...text });
  }
}
