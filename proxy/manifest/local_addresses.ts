import { networkInterfaces } from "node:os";

/** Every address of this host, as text. A backend among them on a listener's port would be a loop. */
export function localAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
}
