import { closeSync, constants, openSync, readdirSync, readFileSync, readlinkSync, readSync, statSync } from "node:fs";
import { type HostAddon, loadHostAddon } from "./addon.ts";
import type { WatchSystem } from "./watch_drops.ts";

/** What a reading asks of the machine. Each call throws as Node.js does, with a `code` such as EACCES. */
export interface HostSystem {
  /** Steady, in milliseconds. */
  steadyMs(): number;
  /** RFC 3339. */
  time(): string;
  /** Throws EFBIG beyond the bound. */
  readText(path: string, maximumBytes: number): string;
  /** Names in a directory, the first `most` of them. */
  list(directory: string, most: number): string[];
  readLink(path: string): string;
  netlink(protocol: number, request: Uint8Array): Uint8Array;
  ethtool(interfaceName: string, request: Uint8Array, answerBytes: number): Uint8Array;
}

const NETLINK_DEADLINE_MS = 2_000;
/** Some 300,000 sockets. */
const NETLINK_MAXIMUM_BYTES = 64 * 1024 * 1024;
/** What comes is copied out of it before the next read: /proc gives 4 KiB at a time, and most files have less. */
const piece = Buffer.alloc(64 * 1024);

class FileTooBigError extends Error {
  readonly code = "EFBIG";
}

/** Files of /proc say that they are empty, so they are read until nothing comes. No path makes it wait (a FIFO). */
function readText(path: string, maximumBytes: number): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const pieces: Buffer[] = [];
    let bytes = 0;
    for (;;) {
      const read = readSync(file, piece);
      if (read === 0) return Buffer.concat(pieces).toString("utf8");
      bytes += read;
      if (bytes > maximumBytes) throw new FileTooBigError(`${path} has more than ${maximumBytes} octets`);
      pieces.push(Buffer.from(piece.subarray(0, read)));
    }
  } finally {
    closeSync(file);
  }
}

/** This machine, as the main thread of this process sees it. Throws where the addon was not built. */
export function liveSystem(addon: HostAddon = loadHostAddon()): HostSystem {
  return {
    steadyMs: () => performance.now(),
    time: () => new Date().toISOString(),
    readText,
    list: (directory, most) => readdirSync(directory).slice(0, most),
    readLink: (path) => readlinkSync(path),
    netlink: (protocol, request) => addon.netlink(protocol, request, NETLINK_DEADLINE_MS, NETLINK_MAXIMUM_BYTES),
    ethtool: (name, request, answerBytes) => addon.ethtool(name, request, answerBytes),
  };
}

/** Types of the kernel and its modules take some megabytes. */
const OCTETS_MAXIMUM = 64 * 1024 * 1024;
const TEXT_MAXIMUM = 64 * 1024;

function readOctets(path: string): Uint8Array {
  const { size } = statSync(path);
  if (size > OCTETS_MAXIMUM) throw new FileTooBigError(`${path} has more than ${OCTETS_MAXIMUM} octets`);
  return readFileSync(path);
}

/** The same machine, for the second witness. */
export function liveWatchSystem(addon: HostAddon = loadHostAddon()): WatchSystem {
  return {
    DropReasons: addon.DropReasons,
    steadyMs: () => performance.now(),
    readText: (path) => readText(path, TEXT_MAXIMUM),
    readOctets,
    every: (intervalMs, act) => {
      const timer = setInterval(act, intervalMs);
      timer.unref();
      return () => clearInterval(timer);
    },
  };
}
