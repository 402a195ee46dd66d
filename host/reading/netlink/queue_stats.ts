import type { Counters } from "../reading.ts";
import type { Parsed } from "../text/columns.ts";
import { decodeAttributes } from "./attributes.ts";
import { decodeMessages } from "./messages.ts";
import { u8, u32, u64 } from "./octets.ts";

const GENERIC_HEADER_BYTES = 4;
const NETDEV_CMD_QSTATS_GET = 12;
const IFINDEX = 1;
const FIRST_COUNTER = 8;

/** NETDEV_A_QSTATS_* of linux/netdev.h from 8 on, by the names of Documentation/netlink/specs/netdev.yaml. */
const COUNTERS = [
  "rx-packets",
  "rx-bytes",
  "tx-packets",
  "tx-bytes",
  "rx-alloc-fail",
  "rx-hw-drops",
  "rx-hw-drop-overruns",
  "rx-csum-complete",
  "rx-csum-unnecessary",
  "rx-csum-none",
  "rx-csum-bad",
  "rx-hw-gro-packets",
  "rx-hw-gro-bytes",
  "rx-hw-gro-wire-packets",
  "rx-hw-gro-wire-bytes",
  "rx-hw-drop-ratelimits",
  "tx-hw-drops",
  "tx-hw-drop-errors",
  "tx-csum-none",
  "tx-needs-csum",
  "tx-hw-gso-packets",
  "tx-hw-gso-bytes",
  "tx-hw-gso-wire-packets",
  "tx-hw-gso-wire-bytes",
  "tx-hw-drop-ratelimits",
  "tx-stop",
  "tx-wake",
];

/** Type `uint` of netlink: 32 or 64 bit, as the value needs. */
const unsigned = (octets: Uint8Array): bigint | undefined => (octets.length === 4 ? BigInt(u32(octets)!) : u64(octets));

function countersOf(attributes: ReadonlyMap<number, Uint8Array>): Counters {
  const counters = new Map<string, bigint>();
  for (const [place, name] of COUNTERS.entries()) {
    const octets = attributes.get(FIRST_COUNTER + place);
    const value = octets && unsigned(octets);
    if (value !== undefined) counters.set(name, value);
  }
  return counters;
}

/**
 * Dump of the generic netlink family netdev (net/core/netdev-genl.c, since 6.9), by interface index: 64 bit, summed over
 * queues, those that are no more included. A driver tells only what it can count.
 */
export function decodeQueueStats(octets: Uint8Array): Parsed<ReadonlyMap<number, Counters>> {
  const { messages, problem } = decodeMessages(octets);
  const byIndex = new Map<number, Counters>();
  for (const { payload } of messages.filter((message) => u8(message.payload) === NETDEV_CMD_QSTATS_GET)) {
    const attributes = decodeAttributes(payload.subarray(GENERIC_HEADER_BYTES));
    const index = u32(attributes.get(IFINDEX));
    if (index !== undefined) byIndex.set(index, countersOf(attributes));
  }
  if (problem === undefined) return { value: byIndex };
  return { value: byIndex.size > 0 ? byIndex : undefined, reason: problem };
}
