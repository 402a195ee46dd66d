import { type HostAddon, loadHostAddon } from "./live/addon.ts";
import { readCgroups } from "./live/cgroups.ts";
import { inNamespace } from "./live/namespace.ts";
import { readOwners } from "./live/owners.ts";
import { readEthtool } from "./live/read_ethtool.ts";
import { readFile } from "./live/read_files.ts";
import { readNetlink } from "./live/read_netlink.ts";
import { type HostSystem, liveSystem } from "./live/system.ts";
import { parseLinks } from "./parse_links.ts";
import { parseSockets } from "./parse_sockets.ts";
import type { RawReading, RawSource, Subject } from "./raw.ts";
import type { Link, Reading, UdpSocket } from "./reading.ts";
import { Sections } from "./sections.ts";
import {
  ALL_CGROUPS,
  ALL_ETHTOOL,
  ETHTOOL,
  ethtoolSource,
  FALLBACKS,
  FILES,
  type FileSource,
  FULL,
  NETLINK,
  OWNERS,
  reversePathSource,
  SYSCTLS,
} from "./sources.ts";
import { parseOwners } from "./text/owners.ts";

export interface ReadingPlan {
  readonly subject: Subject;
  /** Default: FULL. */
  readonly sources?: ReadonlySet<string>;
  /** Local ports whose sockets are asked for; default, and where none is named: all sockets of the namespace. */
  readonly ports?: readonly number[];
  /** NAME of /run/netns, a path such as /proc/7/ns/net, or a process id; default: the present one. */
  readonly namespace?: string;
}

/** On a node with a virtual interface for each pod nobody asks all their drivers. */
const MOST_INTERFACES = 32;
const MOST_SOCKETS = 4096;

type RawSources = Record<string, RawSource>;

function readFiles(system: HostSystem, files: readonly FileSource[], wanted: ReadonlySet<string>): RawSources {
  const asked = files.filter(({ name }) => wanted.has(name));
  return Object.fromEntries(asked.map((file) => [file.name, readFile(system, file)]));
}

function readTables(system: HostSystem, wanted: ReadonlySet<string>, ports: readonly number[] | undefined): RawSources {
  const asked = NETLINK.filter((name) => wanted.has(name));
  return Object.fromEntries(asked.map((name) => [name, readNetlink(system, name, ports)]));
}

/** What was read so far, in the words of a Reading; with the files that say less where a request brought not all. */
function parseTables(system: HostSystem, sources: RawSources): Pick<Reading, "links" | "sockets"> {
  const parse = (): { sections: Sections; tables: Pick<Reading, "links" | "sockets"> } => {
    const sections = new Sections({ steadyMs: 0, time: "", sources });
    return { sections, tables: { links: parseLinks(sections), sockets: parseSockets(sections) } };
  };
  const { sections, tables } = parse();
  const lacking = Object.entries(FALLBACKS).filter(([name]) => name in sources && sections.missing.has(name));
  for (const [, file] of lacking) sources[file.name] = readFile(system, file);
  return lacking.length === 0 ? tables : parse().tables;
}

/** The interface that is asked about, or those that are up; hardware before virtual ones. */
function interfacesOf(links: readonly Link[], subject: Subject): string[] {
  const candidates = links.filter(({ name, isUp, isLoopback }) =>
    subject.interface === undefined ? isUp && !isLoopback : name === subject.interface,
  );
  const isVirtual = ({ kind }: Link): number => (kind === undefined ? 0 : 1);
  return candidates
    .toSorted((a, b) => isVirtual(a) - isVirtual(b))
    .slice(0, MOST_INTERFACES)
    .map(({ name }) => name);
}

function readInterfaces(system: HostSystem, names: readonly string[], sources: RawSources): void {
  for (const name of names) {
    for (const what of ETHTOOL) sources[ethtoolSource(name, what)] = readEthtool(system, name, what);
    const file = { name: reversePathSource(name), absent: "the interface is gone" };
    sources[file.name] = readFile(system, file);
  }
}

/** Those of the port, and all that lost or hold datagrams: who stands in the way is somebody else as a rule. */
function inodesOf(sockets: readonly UdpSocket[], { port }: Subject): Set<number> {
  const concerned = sockets.filter(
    ({ localPort, drops, receiveQueueBytes, inode }) =>
      inode !== 0 && (localPort === port || drops > 0 || receiveQueueBytes > 0),
  );
  // Those of the port come first where there are too many.
  const sorted = concerned.toSorted((a, b) => Number(b.localPort === port) - Number(a.localPort === port));
  return new Set(sorted.slice(0, MOST_SOCKETS).map(({ inode }) => inode));
}

function readSocketOwners(system: HostSystem, inodes: ReadonlySet<number>, sources: RawSources): string[] {
  const owners = readOwners(system, inodes);
  sources[OWNERS] = owners;
  const byInode = "text" in owners ? parseOwners(owners.text).value : undefined;
  return [...(byInode?.values() ?? [])].flatMap(({ cgroup }) => cgroup ?? []);
}

/**
 * Reads what `system` shows. Never throws: a source that cannot be read holds the reason. Counters come first, close to each
 * other in time; what takes long, and who has what open, comes after them.
 */
export function readSystem(system: HostSystem, plan: ReadingPlan): RawReading {
  const wanted = plan.sources ?? FULL;
  const [steadyMs, time] = [system.steadyMs(), system.time()];
  const sources: RawSources = {
    ...readFiles(system, FILES, wanted),
    ...readTables(system, wanted, plan.ports),
    ...readFiles(system, SYSCTLS, wanted),
  };
  const { links, sockets } = parseTables(system, sources);
  if (wanted.has(ALL_ETHTOOL)) readInterfaces(system, interfacesOf(links ?? [], plan.subject), sources);
  if (wanted.has(OWNERS)) {
    const cgroups = readSocketOwners(system, inodesOf(sockets ?? [], plan.subject), sources);
    if (wanted.has(ALL_CGROUPS)) Object.assign(sources, Object.fromEntries(readCgroups(system, cgroups)));
  }
  return { steadyMs, time, sources };
}

/**
 * Reads this machine: the present network namespace, or another one. Throws NamespaceError where that cannot be entered, and
 * an Error where the addon was not built.
 */
export function readHost(plan: ReadingPlan, addon: HostAddon = loadHostAddon()): RawReading {
  const system = liveSystem(addon);
  if (plan.namespace === undefined) return readSystem(system, plan);
  const machineWide = [...FILES, ...SYSCTLS].filter(({ isMachineWide }) => isMachineWide);
  const ours = readFiles(system, machineWide, plan.sources ?? FULL);
  const reading = inNamespace(addon, plan.namespace, () => readSystem(system, plan));
  const hidden = Object.entries(ours).filter(([name]) => "error" in (reading.sources[name] ?? {}));
  return { ...reading, sources: { ...reading.sources, ...Object.fromEntries(hidden) } };
}
