import { addressKind, parseIpAddress } from "./ip_address.ts";
import type { RuleFinding, SoundSpec } from "./rule_finding.ts";

/*
 * Where datagrams of strangers must not be sent, because something trusts whoever reaches it (RFC 9000 section 21.5).
 * Unspecified, multicast, broadcast and link-local addresses, 169.254.169.254 among them, are no addresses of a backend
 * at all (schema.ts), and a listener's own is a loop (rules_backends.ts).
 */

/** Metadata services of clouds beside 169.254.169.254: they hand out the credentials of the machine. */
const METADATA_SERVICES: readonly string[] = ["fd00:ec2::254", "100.100.100.200", "192.0.0.192"];

/** What no manifest may name. */
export function destinationRules(spec: SoundSpec): RuleFinding[] {
  return findAmong(spec, metadataFault);
}

/** In a cluster, whoever writes a QuicProxy does not own the nodes: loopback addresses are the nodes' own services. */
export function clusterDestinationRules(spec: SoundSpec): RuleFinding[] {
  return findAmong(spec, loopbackFault);
}

/** Why no proxy in a cluster may send to an address, wherever it comes from; undefined: it may. */
export function clusterDestinationFault(address: string): string | undefined {
  const ip = parseIpAddress(address);
  const kind = ip && addressKind(ip);
  if (ip === undefined || (kind !== "unicast" && kind !== "loopback"))
    return `${address} is not the address of one host`;
  return metadataFault(ip.text) ?? loopbackFault(ip.text);
}

function metadataFault(canonicalAddress: string): string | undefined {
  return METADATA_SERVICES.includes(canonicalAddress) ? `${canonicalAddress} is a cloud's metadata service` : undefined;
}

function loopbackFault(canonicalAddress: string): string | undefined {
  const ip = parseIpAddress(canonicalAddress);
  const isLoopback = ip !== undefined && addressKind(ip) === "loopback";
  return isLoopback
    ? `${canonicalAddress} is a service of the node itself, which may trust whoever reaches it there`
    : undefined;
}

function findAmong({ backends }: SoundSpec, wrong: (canonicalAddress: string) => string | undefined): RuleFinding[] {
  return (backends?.static ?? []).flatMap((backend, index) => {
    const address = parseIpAddress(backend?.address ?? "")?.text;
    const what = address === undefined ? undefined : wrong(address);
    if (what === undefined) return [];
    return [{ path: ["backends", "static", index, "address"], what, allowed: "the address of a QUIC server" }];
  });
}
