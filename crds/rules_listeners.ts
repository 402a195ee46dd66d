import { type IpAddress, parseIpAddress } from "./ip_address.ts";
import type { RuleFinding, SoundSpec } from "./rule_finding.ts";

/** A listener as the host sees it: which addresses of which families it takes. */
export interface ListenerReach {
  readonly index: number;
  readonly port: number;
  readonly takes: (address: IpAddress) => boolean;
  /** Families whose every address it takes. */
  readonly wildcard: readonly (4 | 6)[];
  readonly address: IpAddress | undefined;
}

/** The listeners that are sound enough to compare. */
export function listenerReaches({ listeners }: SoundSpec): ListenerReach[] {
  return (listeners ?? []).flatMap((listener, index) => {
    if (listener?.port === undefined) return [];
    const address = listener.address === undefined ? undefined : parseIpAddress(listener.address);
    const wildcard = wildcardFamilies(address);
    const takes = (other: IpAddress): boolean => wildcard.includes(other.family) || address?.text === other.text;
    return [{ index, port: listener.port, takes, wildcard, address }];
  });
}

/** No two listeners may want the same datagram. */
export function listenerRules(spec: SoundSpec): RuleFinding[] {
  const findings: RuleFinding[] = [];
  const reaches = listenerReaches(spec);
  for (const [position, reach] of reaches.entries()) {
    const earlier = reaches.slice(0, position).find((other) => overlap(reach, other));
    if (earlier === undefined) continue;
    const what = `${reachText(reach)} overlaps ${reachText(earlier)} of spec.listeners[${earlier.index}]`;
    findings.push({ path: ["listeners", reach.index], what, allowed: "each address and port in one listener" });
  }
  return findings;
}

function wildcardFamilies(address: IpAddress | undefined): readonly (4 | 6)[] {
  if (address === undefined) return [4, 6];
  return address.octets.every((octet) => octet === 0) ? [address.family] : [];
}

function overlap(one: ListenerReach, other: ListenerReach): boolean {
  if (one.port !== other.port) return false;
  if (one.wildcard.some((family) => other.wildcard.includes(family))) return true;
  return (
    (one.address !== undefined && other.takes(one.address)) || (other.address !== undefined && one.takes(other.address))
  );
}

function reachText({ address, port }: ListenerReach): string {
  return address === undefined ? `port ${port} on every address` : `port ${port} on ${address.text}`;
}
