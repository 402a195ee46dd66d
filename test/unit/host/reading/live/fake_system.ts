import type { HostSystem } from "../../../../../host/reading/live/system.ts";
import { familyRequest, linksRequest, udpSocketsRequest } from "../../../../../host/reading/netlink/requests.ts";
import { attribute, done, error, link, MULTI, message, textAttribute, u32s, u64s } from "../netlink/octets.ts";

export const refuse = (code: string): never => {
  throw Object.assign(new Error(code), { code });
};

type Content = string | (() => string);

/** A machine of which every part is what a test says, and nothing else is there. */
export class FakeSystem implements HostSystem {
  readonly files = new Map<string, Content>();
  readonly links = new Map<string, string>();
  readonly directories = new Map<string, string[] | (() => string[])>();
  /** By the request in hexadecimal; one answer after the other, the last one again and again. */
  readonly answers = new Map<string, Uint8Array[]>();
  readonly asked: string[] = [];
  onEthtool: (interfaceName: string, request: Uint8Array, answerBytes: number) => Uint8Array = () =>
    refuse("EOPNOTSUPP");
  nowMs = 0;

  steadyMs(): number {
    return this.nowMs;
  }

  time(): string {
    return "2026-01-01T00:00:00.000Z";
  }

  readText(path: string): string {
    const content = this.files.get(path) ?? refuse("ENOENT");
    return typeof content === "string" ? content : content();
  }

  list(directory: string): string[] {
    const entries = this.directories.get(directory) ?? refuse("ENOENT");
    return Array.isArray(entries) ? entries : entries();
  }

  readLink(path: string): string {
    return this.links.get(path) ?? refuse("ENOENT");
  }

  netlink(_protocol: number, request: Uint8Array): Uint8Array {
    const key = Buffer.from(request).toString("hex");
    this.asked.push(key);
    const answers = this.answers.get(key);
    if (answers === undefined) return error(-2);
    return answers.length > 1 ? answers.shift()! : answers[0]!;
  }

  ethtool(interfaceName: string, request: Uint8Array, answerBytes: number): Uint8Array {
    return this.onEthtool(interfaceName, request, answerBytes);
  }

  answer(request: Uint8Array, ...answers: Uint8Array[]): void {
    this.answers.set(Buffer.from(request).toString("hex"), answers);
  }

  /** Interfaces by name, in the order of their indexes. */
  answerLinks(...names: string[]): void {
    const links = names.map((name, place) =>
      link({ index: place + 1, flags: name === "lo" ? 0x49 : 0x41 }, textAttribute(3, name)),
    );
    this.answer(linksRequest(), Buffer.concat([...links, done()]));
  }

  /** Sockets of IPv4; none of IPv6. */
  answerSockets(sockets: readonly FakeSocket[], port = 0): void {
    this.answer(udpSocketsRequest(4, port), Buffer.concat([...sockets.map(socketMessage), done()]));
    this.answer(udpSocketsRequest(6, port), done());
  }

  /** A process of the namespace net:[1] with these sockets, by their inodes. */
  addProcess(pid: number, inodes: readonly number[], { namespace = 1, command = "server", cgroup = "/" } = {}): void {
    this.links.set("/proc/self/ns/net", "net:[1]");
    this.links.set(`/proc/${pid}/ns/net`, `net:[${namespace}]`);
    this.files.set(`/proc/${pid}/comm`, `${command}\n`);
    this.files.set(`/proc/${pid}/cgroup`, `12:memory:/v1\n0::${cgroup}\n`);
    const all = this.directories.get("/proc");
    this.directories.set("/proc", [...(Array.isArray(all) ? all : ["self", "net"]), String(pid)]);
    this.directories.set(
      `/proc/${pid}/fd`,
      inodes.map((_, place) => String(place)),
    );
    for (const [place, inode] of inodes.entries()) this.links.set(`/proc/${pid}/fd/${place}`, `socket:[${inode}]`);
  }
}

export interface FakeSocket {
  readonly inode: number;
  readonly port: number;
  readonly drops?: number;
  readonly queueBytes?: number;
}

function socketMessage({ inode, port, drops = 0, queueBytes = 0 }: FakeSocket): Buffer {
  const payload = Buffer.alloc(72);
  payload[0] = 2;
  payload.writeUInt16BE(port, 4);
  payload.set(u32s(inode, 0), 44);
  payload.set(u32s(0, queueBytes, 0, 0, inode), 52);
  return message(20, MULTI, payload, attribute(7, u32s(0, 1, 2, 3, 4, 5, 6, 7, drops)));
}

/** Answers to the family netdev and its statistics. */
export function answerQueueStats(system: FakeSystem, request: Uint8Array, family: number): void {
  const head = (command: number): Buffer => Buffer.from([command, 1, 0, 0]);
  system.answer(familyRequest("netdev"), message(16, 0, head(1), attribute(1, Buffer.from([family, 0]))));
  const stats = message(family, MULTI, head(12), attribute(1, u32s(2)), attribute(13, u64s(5n)));
  system.answer(request, Buffer.concat([stats, done()]));
}
