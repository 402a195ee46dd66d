import { CAPABILITY_LEVELS } from "../../crds/class_schema.ts";

/** How much of the kernel the proxies may use (docs/adr/0008). What a level cannot do, the proxy does in another way. */
export type CapabilityLevel = (typeof CAPABILITY_LEVELS)[number];

/** NET_BIND_SERVICE: ports below 1024, such as 443. Always, so that a change of port restarts nothing. */
const SOCKETS = ["NET_BIND_SERVICE"];

const CAPABILITIES: Readonly<Record<CapabilityLevel, readonly string[]>> = {
  Sockets: SOCKETS,
  // BPF: programs and maps. NET_ADMIN: sockets in maps, lookups by program, receive buffers above net.core.rmem_max.
  // NET_RAW: datagrams to servers with a header of our own.
  Kernel: [...SOCKETS, "BPF", "NET_ADMIN", "NET_RAW"],
};

/** What a proxy's container adds after it dropped all. */
export function capabilitiesOf(level: CapabilityLevel): readonly string[] {
  return CAPABILITIES[level];
}

/** Of two levels the one that gives less. */
export function lesserLevel(one: CapabilityLevel, other: CapabilityLevel): CapabilityLevel {
  return CAPABILITY_LEVELS.indexOf(one) < CAPABILITY_LEVELS.indexOf(other) ? one : other;
}
