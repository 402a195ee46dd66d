/*
 * Enums of the kernel's type information (BTF), as /sys/kernel/btf/vmlinux and /sys/kernel/btf/<module> hold it:
 * https://docs.kernel.org/bpf/btf.html. A module's names and types go on where those of vmlinux end.
 */

/** One name of an enum. Values are unsigned, 32 bit. */
export interface Enumerator {
  readonly name: string;
  readonly value: number;
}

const MAGIC = 0xeb9f;
const MAGIC_SWAPPED = 0x9feb;
const VERSION = 1;
const HEADER_OCTETS = 24;
const TYPE_OCTETS = 12;
const KIND_ENUM = 6;

/** Octets behind a type's own 12 by kind: fixed, and for each of its members. Kind 0 is none. */
const TAILS: readonly (readonly [fixed: number, each: number] | undefined)[] = [
  undefined,
  [4, 0], // integer
  [0, 0], // pointer
  [12, 0], // array
  [0, 12], // struct
  [0, 12], // union
  [0, 8], // enum
  [0, 0], // forward
  [0, 0], // typedef
  [0, 0], // volatile
  [0, 0], // const
  [0, 0], // restrict
  [0, 0], // function
  [0, 8], // function prototype
  [4, 0], // variable
  [0, 12], // section
  [0, 0], // float
  [4, 0], // declaration tag
  [0, 0], // type tag
  [0, 12], // enum of 64 bit
];

interface Sections {
  readonly view: DataView;
  readonly typesStart: number;
  readonly typesEnd: number;
  readonly strings: Uint8Array;
}

const fault = (what: string): Error => new Error(`BTF: ${what}`);

function sectionsOf(octets: Uint8Array): Sections {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  if (octets.length < HEADER_OCTETS) throw fault(`${octets.length} octets are no header`);
  const magic = view.getUint16(0, true);
  if (magic === MAGIC_SWAPPED) throw fault("of a machine of the other byte order");
  if (magic !== MAGIC) throw fault(`begins with 0x${magic.toString(16)}, not 0xeb9f`);
  if (octets[2] !== VERSION) throw fault(`version ${octets[2]}, not ${VERSION}`);
  const header = view.getUint32(4, true);
  const section = (at: number): readonly [number, number] => {
    const start = header + view.getUint32(at, true);
    const end = start + view.getUint32(at + 4, true);
    if (header < HEADER_OCTETS || end > octets.length)
      throw fault(`a section ends at ${end} of ${octets.length} octets`);
    return [start, end];
  };
  const [typesStart, typesEnd] = section(8);
  return { view, typesStart, typesEnd, strings: octets.subarray(...section(16)) };
}

/** Names by their offset; those of the base come first. */
function namesOf(own: Uint8Array, base: Uint8Array): (offset: number) => string {
  const decoder = new TextDecoder();
  return (offset) => {
    const isBase = offset < base.length;
    const strings = isBase ? base : own;
    const start = isBase ? offset : offset - base.length;
    const end = strings.indexOf(0, start);
    if (start >= strings.length || end < 0) throw fault(`a name at ${offset}, behind the last`);
    return decoder.decode(strings.subarray(start, end));
  };
}

function* typesOf({ view, typesStart, typesEnd }: Sections): Generator<{ kind: number; members: number; at: number }> {
  for (let at = typesStart; at < typesEnd; ) {
    const info = at + TYPE_OCTETS <= typesEnd ? view.getUint32(at + 4, true) : 0;
    const kind = (info >>> 24) & 0x1f;
    const members = info & 0xffff;
    const tail = TAILS[kind];
    if (tail === undefined) throw fault(`a type of kind ${kind} at ${at}, which this program does not know`);
    const next = at + TYPE_OCTETS + tail[0] + tail[1] * members;
    if (next > typesEnd) throw fault(`the type at ${at} is cut off`);
    yield { kind, members, at };
    at = next;
  }
}

/**
 * The enums whose name `isWanted`, by name. Of several of one name (each file of the kernel may have its own) the one with the
 * most names.
 *
 * @param base vmlinux, for the octets of a module
 * @throws Error that says what is wrong with the octets, and where
 */
export function parseEnums(
  octets: Uint8Array,
  isWanted: (name: string) => boolean,
  base?: Uint8Array,
): ReadonlyMap<string, readonly Enumerator[]> {
  const sections = sectionsOf(octets);
  const { view } = sections;
  const nameAt = namesOf(sections.strings, base === undefined ? new Uint8Array() : sectionsOf(base).strings);
  const enums = new Map<string, readonly Enumerator[]>();
  for (const { kind, members, at } of typesOf(sections)) {
    if (kind !== KIND_ENUM) continue;
    const name = nameAt(view.getUint32(at, true));
    if (!isWanted(name) || members <= (enums.get(name)?.length ?? 0)) continue;
    const enumerators = Array.from({ length: members }, (_, index) => {
      const member = at + TYPE_OCTETS + index * 8;
      return { name: nameAt(view.getUint32(member, true)), value: view.getUint32(member + 4, true) };
    });
    enums.set(name, enumerators);
  }
  return enums;
}
