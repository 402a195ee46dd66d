import { existsSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";

/** Every address of this host, as text. A backend among them on a listener's port would be a loop. */
export function localAddresses(): string[] {
  try {
    return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
  } catch {
    // Where no netlink socket is to be had, as under RestrictAddressFamilies= of systemd.exec(5).
    return addressesOfProc();
  }
}

/** The same from proc(5). */
export function addressesOfProc(): string[] {
  const routes = readFileSync("/proc/net/fib_trie", "utf8");
  const v4 = [...routes.matchAll(/\|-- (\S+)\n\s*\/32 host LOCAL/g)].map(([, address]) => address!);
  const file = "/proc/net/if_inet6";
  const v6 = existsSync(file) ? readFileSync(file, "utf8").matchAll(/^([0-9a-f]{32}) /gm) : [];
  return [...new Set(v4), ...[...v6].map(([, octets]) => octets!.match(/.{4}/g)!.join(":"))];
}
