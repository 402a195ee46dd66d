import { dirname, join } from "node:path";

/*
 * What TypeScript files may import of each other. Cycles are not looked for here: biome does (noImportCycles).
 */

interface Folder {
  readonly folder: string;
  /** Folders besides its own that it may import. */
  readonly imports: readonly string[];
  readonly why: string;
}

/** A file falls under the longest of these that it is in. */
const FOLDERS: readonly Folder[] = [
  { folder: "crds", imports: [], why: "what our kinds look like depends on nothing that uses them" },
  { folder: "process", imports: [], why: "what every process does knows nothing of what this one is for" },
  { folder: "kube", imports: ["crds"], why: "reading and writing objects knows no operator and no proxy" },
  {
    folder: "operator",
    imports: ["crds", "kube", "process", "proxy/contract"],
    why: "of the proxy it knows only what a data plane can run on",
  },
  {
    folder: "proxy",
    imports: ["crds", "host", "kube", "process"],
    why: "the proxy runs without a cluster and its operator",
  },
  { folder: "proxy/contract", imports: ["crds"], why: "the operator builds on it, too" },
  { folder: "proxy/connection_id", imports: [], why: "servers import it as a library (package.json, exports)" },
  { folder: "host", imports: ["process"], why: "a host is judged with or without our proxy" },
  { folder: "image", imports: [], why: "it packs the programs and runs none of them" },
];

interface Door {
  readonly module: string;
  /** The only files that import it; each does. */
  readonly files: readonly string[];
  readonly why: string;
}

const DOORS: readonly Door[] = [
  { module: "@kubernetes/client-node", files: ["kube/client_library.ts"], why: "the client library has one door" },
  {
    module: "node:module",
    files: ["proxy/apply/addon.ts", "host/reading/live/addon.ts"],
    why: "each addon has one door",
  },
];

/** One import: who, and the module or file of this repository, as a path from its root. */
export interface Import {
  readonly file: string;
  readonly target: string;
}

/** `specifier` as it stands in `file`: a path from the root where it names a file of this repository. */
export function targetOf(file: string, specifier: string): string {
  return /^\.{1,2}\//.test(specifier) ? join(dirname(file), specifier) : specifier;
}

const isIn = (path: string, folder: string): boolean => path.startsWith(`${folder}/`);

function folderOf(file: string): Folder | undefined {
  const all = FOLDERS.filter(({ folder }) => isIn(file, folder));
  return all.sort((a, b) => b.folder.length - a.folder.length)[0];
}

/** A path without a folder is package.json, which everybody may read. */
function isOurs(target: string): boolean {
  return FOLDERS.some(({ folder }) => isIn(target, folder)) || isIn(target, "test");
}

function folderFault({ file, target }: Import): string | undefined {
  const rule = folderOf(file);
  if (rule === undefined) return `${file}: test/lint/import_rules.ts does not say what its folder may import`;
  if (!isOurs(target) || [rule.folder, ...rule.imports].some((folder) => isIn(target, folder))) return undefined;
  return `${file} imports ${target}: ${rule.folder}/ may not: ${rule.why}`;
}

function doorFault({ file, target }: Import): string | undefined {
  const door = DOORS.find(({ module }) => target === module || isIn(target, module));
  if (door === undefined || door.files.includes(file)) return undefined;
  return `${file} imports ${target}: only ${door.files.join(", ")} may: ${door.why}`;
}

/** A door that nobody goes through was moved, and its rule with it would keep nothing out. */
function unusedDoors(imports: readonly Import[]): string[] {
  return DOORS.flatMap(({ module, files }) =>
    files
      .filter((door) => !imports.some(({ file, target }) => file === door && target === module))
      .map((door) => `${door} does not import ${module}: test/lint/import_rules.ts says that it does`),
  );
}

/** What is wrong with all imports of the programs' files, one line each. */
export function faultsOf(imports: readonly Import[]): string[] {
  const faults = imports.flatMap((each) => [folderFault(each), doorFault(each)]);
  return [...faults.filter((fault) => fault !== undefined), ...unusedDoors(imports)];
}
