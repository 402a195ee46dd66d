import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const namespaceDirectory = "/run/netns";

/** A lab that outlives the process that made it; there is at most one on a machine. */
export const keptLabName = "qpkeep";

/** `qp<pid>` or `qp<pid>x<n>` for the next labs of one process, or the kept one; a role follows after a dash. */
const labPattern = /^(qp(\d+)(?:x\d+)?|qpkeep)-/;

/** Runs one command of iproute2. Throws with what it wrote to stderr. */
export function ip(args: readonly string[], input?: string): string {
  try {
    return execFileSync("ip", args, { encoding: "utf8", input: input ?? "", stdio: ["pipe", "pipe", "pipe"] });
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new Error(`ip ${args.join(" ")}: ${stderr?.trim() || message}`);
  }
}

/** Runs `ip` commands, one a line, inside a namespace; stops at the first that fails. */
export function ipInside(namespace: string, lines: readonly string[]): void {
  ip(["-n", namespace, "-batch", "-"], `${lines.join("\n")}\n`);
}

/** Makes a namespace with these settings below /proc/sys/net; duplicate address detection, which costs 2 s, is off. */
export function createNamespace(name: string, settings: Record<string, number> = {}): void {
  ip(["netns", "add", name]);
  const all = { "ipv6/conf/default/accept_dad": 0, ...settings };
  const script = Object.entries(all).map(([path, value]) => `echo ${value} >/proc/sys/net/${path}`);
  ip(["netns", "exec", name, "sh", "-ec", script.join("\n")]);
  ipInside(name, ["link set lo up"]);
}

export interface LinkEnd {
  namespace: string;
  device: string;
  /** CIDR notation, IPv4 or IPv6. */
  addresses: readonly string[];
  /** A bridge in the same namespace that this end becomes a port of. */
  bridge?: string;
}

// The kernel reports a link as up without its usual delay of up to 1 s when the two ends differ in interface index.
const firstEndIndex = 100;

/**
 * A veth pair made between two namespaces; the machine's own namespace never sees either end. `index`: of the first end,
 * one that no other interface of its namespace has.
 */
export function linkNamespaces(one: LinkEnd, other: LinkEnd, index = firstEndIndex): void {
  const end = ({ device, namespace }: LinkEnd): string[] => [device, "netns", namespace];
  ip(["link", "add", ...end(one), "index", String(index), "type", "veth", "peer", "name", ...end(other)]);
  for (const { namespace, device, addresses, bridge } of [one, other]) {
    const enslave = bridge === undefined ? [] : [`link set ${device} master ${bridge}`];
    ipInside(namespace, [...addressLines(device, addresses), ...enslave, `link set ${device} up`]);
  }
}

export function addressLines(device: string, addresses: readonly string[]): string[] {
  return addresses.map((cidr) => `addr add ${cidr} dev ${device}${cidr.includes(":") ? " nodad" : ""}`);
}

/** The command line that runs a program inside a namespace; it keeps one process id from start to end. */
export function insideNamespace(namespace: string, command: readonly string[]): [string, string[]] {
  return ["ip", ["netns", "exec", namespace, ...command]];
}

/** A free name for a lab of this process. */
export function nextLabName(): string {
  for (let serial = 0; ; serial++) {
    const name = serial === 0 ? `qp${process.pid}` : `qp${process.pid}x${serial}`;
    if (namespacesOf(name).length === 0 && !existsSync(labDirectory(name))) return name;
  }
}

/** Where a lab keeps certificates, content and logs. */
export function labDirectory(lab: string): string {
  return join(tmpdir(), `quicproxy-${lab}`);
}

export function namespacesOf(lab: string): string[] {
  return allNamespaces().filter((name) => labPattern.exec(name)?.[1] === lab);
}

function allNamespaces(): string[] {
  return existsSync(namespaceDirectory) ? readdirSync(namespaceDirectory) : [];
}

export function processesInside(namespace: string): number[] {
  return ip(["netns", "pids", namespace])
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);
}

/** Ends every process inside a lab's namespaces, then removes the namespaces and the lab's files. */
export function removeLab(lab: string): void {
  for (const namespace of namespacesOf(lab).reverse()) {
    endProcesses(namespace);
    ip(["netns", "del", namespace]);
  }
  rmSync(labDirectory(lab), { recursive: true, force: true });
}

function endProcesses(namespace: string): void {
  const deadline = Date.now() + 30_000;
  for (let pids = processesInside(namespace); pids.length > 0; pids = processesInside(namespace)) {
    if (Date.now() > deadline) throw new Error(`processes ${pids.join(", ")} in ${namespace} do not end`);
    for (const pid of pids) kill(pid);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Removes the labs of processes that are dead. Returns their names. */
export function removeStaleLabs(): string[] {
  const pattern = /^(?:quicproxy-)?(qp(\d+)(?:x\d+)?)(?:-|$)/;
  const found = new Map<string, number>();
  for (const name of [...allNamespaces(), ...readdirSync(tmpdir()).filter((file) => file.startsWith("quicproxy-qp"))]) {
    const match = pattern.exec(name);
    if (match) found.set(match[1]!, Number(match[2]));
  }
  const stale = [...found].filter(([, pid]) => !existsSync(`/proc/${pid}`)).map(([lab]) => lab);
  for (const lab of stale) removeLab(lab);
  return stale;
}
