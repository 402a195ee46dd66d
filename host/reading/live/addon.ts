import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { DropReasonsClass } from "./watch_drops.ts";

/** What native/host/ and native/drop_reasons/ ask of the kernel. Refusals are thrown as Node.js throws its own, with `code` and `syscall`. */
export interface HostAddon {
  /** One request on an AF_NETLINK socket of its own; the octets of all messages that answer it. */
  netlink(protocol: number, request: Uint8Array, deadlineMs: number, maximumBytes: number): Uint8Array;
  /** One SIOCETHTOOL; the first `answerBytes` of what the kernel made of the request. */
  ethtool(interfaceName: string, request: Uint8Array, answerBytes: number): Uint8Array;
  /** Of the main thread, which /proc/net follows; of no other thread: EPERM. */
  enterNetworkNamespace(fileDescriptor: number): void;
  /** Drops by the kernel's own reasons, from when one is made until it is detached. */
  readonly DropReasons: DropReasonsClass;
}

/** In the image the addon lies beside the bundled program, in a work tree where node-gyp puts it. */
const PATHS = ["quicproxy_host.node", "../../../build/Release/quicproxy_host.node"].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);
const PATH = PATHS.find((path) => existsSync(path)) ?? PATHS.at(-1)!;

/** Loads the addon. Throws where it was not built, or was built for another Node. */
export function loadHostAddon(path: string = PATH): HostAddon {
  try {
    return createRequire(import.meta.url)(path) as HostAddon;
  } catch (error) {
    const reason = existsSync(path) ? (error as Error).message : "there is no such file";
    throw new Error(`the native addon ${path} does not load (${reason}): build it with \`make build\``, {
      cause: error,
    });
  }
}
