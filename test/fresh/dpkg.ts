import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

/*
 * What dpkg installed, read from its database as deb(5), dpkg-query(1) and update-alternatives(1) lay it down: asking
 * its programs costs seconds.
 */

interface Package {
  name: string;
  architecture: string;
  /** Part of every installation, also of the smallest. */
  everywhere: boolean;
  /** Each of them is needed; of the names in one, any is enough. */
  depends: string[][];
  provides: string[];
}

export interface Dpkg {
  /** Of the smallest installation, as in a container: Essential, or of the priority "required". */
  everywhere(): string[];
  /** These packages and what they depend on, as far as they are installed. */
  closure(names: readonly string[]): Set<string>;
  /** The programs that these packages put on the PATH, by name, with their paths: links of alternatives too. */
  programs(packages: Iterable<string>): Map<string, string>;
}

const programPath = /^(?:\/usr)?\/s?bin\/[^/]+$/;

function fieldsOf(stanza: string): Map<string, string> {
  return new Map([...stanza.matchAll(/^([A-Za-z-]+): *(.*)$/gm)].map(([, name, value]) => [name!, value!]));
}

/** `a (>= 1) | b:any, c` -> [[a, b], [c]] */
function relations(field = ""): string[][] {
  const names = (alternatives: string): string[] =>
    alternatives.split("|").map((name) => /^[^\s(:[]*/.exec(name.trim())![0]);
  return field === "" ? [] : field.split(",").map(names);
}

function packageOf(fields: Map<string, string>): Package {
  return {
    name: fields.get("Package")!,
    architecture: fields.get("Architecture") ?? "",
    everywhere: fields.get("Essential") === "yes" || fields.get("Priority") === "required",
    depends: [...relations(fields.get("Pre-Depends")), ...relations(fields.get("Depends"))],
    provides: relations(fields.get("Provides")).flat(),
  };
}

/** States of dpkg(1) in which the files are there: also of a package whose service could not start in a container. */
const unpacked = / (installed|unpacked|half-configured|triggers-awaited|triggers-pending)$/;

function readPackages(database: string): Map<string, Package> {
  const stanzas = readFileSync(join(database, "status"), "utf8").split("\n\n").map(fieldsOf);
  const present = stanzas.filter((fields) => unpacked.test(fields.get("Status") ?? "")).map(packageOf);
  const native = present.find(({ name }) => name === "dpkg")?.architecture;
  // A package may be there for several architectures; the last of a name wins.
  const foreignFirst = [...present].sort(
    (one, other) => Number(one.architecture === native) - Number(other.architecture === native),
  );
  return new Map(foreignFirst.map((one) => [one.name, one]));
}

function providersOf(packages: Map<string, Package>): Map<string, string[]> {
  const providers = new Map<string, string[]>();
  for (const { name, provides } of packages.values()) {
    for (const virtual of provides) providers.set(virtual, [...(providers.get(virtual) ?? []), name]);
  }
  return providers;
}

function filesOf(database: string, { name, architecture }: Package): string[] {
  const lists = [`${name}.list`, `${name}:${architecture}.list`].map((file) => join(database, "info", file));
  const list = lists.find((file) => existsSync(file));
  return list === undefined ? [] : readFileSync(list, "utf8").split("\n");
}

interface Candidate {
  priority: number;
  /** Where each of the links would lead; empty where the candidate has none for it. */
  paths: string[];
}

/** A file of update-alternatives: state, link, names and links of slaves; per candidate path, priority, slaves' paths. */
function alternativesOf(file: string): { links: string[]; candidates: Candidate[] } {
  const lines = readFileSync(file, "utf8").split("\n");
  const end = lines.indexOf("");
  const links = lines.slice(1, end).filter((_, index) => index % 2 === 0);
  const candidates: Candidate[] = [];
  for (let at = end + 1; lines[at]; at += links.length + 1) {
    const [path, priority, ...slaves] = lines.slice(at, at + links.length + 1);
    candidates.push({ priority: Number(priority), paths: [path!, ...slaves] });
  }
  return { links, candidates };
}

/** /bin is a link to /usr/bin, and packages and alternatives do not move from one name to the other together. */
function merged(path: string): string {
  return path.replace(/^\/(s?bin\/)/, "/usr/$1");
}

/** As update-alternatives would choose were only these files there, named as by merged(). Nothing where no candidate is among them. */
function chosenLinks(file: string, files: ReadonlySet<string>): [string, string][] {
  const { links, candidates } = alternativesOf(file);
  const present = candidates.filter(({ paths }) => files.has(merged(paths[0]!)));
  const [best] = present.sort((one, other) => other.priority - one.priority);
  const pairs = best === undefined ? [] : links.map((link, index): [string, string] => [link, best.paths[index]!]);
  return pairs.filter(([, path]) => path !== "");
}

/** Undefined on a system without dpkg. */
export function readDpkg(database = "/var/lib/dpkg"): Dpkg | undefined {
  if (!existsSync(join(database, "status"))) return undefined;
  const packages = readPackages(database);
  const providers = providersOf(packages);

  /** What apt takes first of what may stand for a dependency, here among what is installed. */
  const chosen = (alternatives: readonly string[]): string[] => {
    const real = alternatives.find((name) => packages.has(name));
    return real === undefined ? alternatives.flatMap((name) => providers.get(name) ?? []) : [real];
  };

  const alternatives = (): string[] => {
    const directory = join(database, "alternatives");
    return existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : [];
  };

  return {
    everywhere: () => [...packages.values()].filter(({ everywhere }) => everywhere).map(({ name }) => name),
    closure(names) {
      const found = new Set<string>();
      const open = names.filter((name) => packages.has(name));
      for (let name = open.pop(); name !== undefined; name = open.pop()) {
        if (found.has(name)) continue;
        found.add(name);
        open.push(...packages.get(name)!.depends.flatMap(chosen));
      }
      return found;
    },
    programs(names) {
      const files = [...names].flatMap((name) => filesOf(database, packages.get(name)!));
      const pairs = files.map((path): [string, string] => [path, path]);
      const places = new Set(files.map(merged));
      const links = alternatives().flatMap((file) => chosenLinks(file, places));
      const programs = [...links, ...pairs].filter(([link]) => programPath.test(link));
      return new Map(programs.map(([link, path]) => [basename(link), path]));
    },
  };
}
