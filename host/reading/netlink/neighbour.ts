import { textOfAddress } from "../address.ts";
import type { Neighbour } from "../reading.ts";
import type { Parsed } from "../text/columns.ts";
import { decodeAttributes } from "./attributes.ts";
import { u16, u32 } from "./octets.ts";
import { decodeTable } from "./table.ts";

const RTM_NEWNEIGH = 28;
const NDMSG_BYTES = 12;
const NDA_DST = 1;

/** NUD_* of linux/neighbour.h: one bit each. */
const STATES = ["INCOMPLETE", "REACHABLE", "STALE", "DELAY", "PROBE", "FAILED", "NOARP", "PERMANENT"];

const stateOf = (bits: number): string => STATES.find((_, place) => (bits & (1 << place)) !== 0) ?? "NONE";

function decodeNeighbour(payload: Uint8Array): Neighbour | undefined {
  const [interfaceIndex, state] = [u32(payload, 4), u16(payload, 8)];
  const destination = decodeAttributes(payload.subarray(NDMSG_BYTES)).get(NDA_DST);
  const address = destination && textOfAddress(destination);
  if (interfaceIndex === undefined || state === undefined || address === undefined) return undefined;
  return { interfaceIndex, address, state: stateOf(state) };
}

/** RTM_GETNEIGH dump (net/core/neighbour.c, neigh_fill_info): who is resolved, and who is not. */
export const decodeNeighbours = (octets: Uint8Array): Parsed<Neighbour[]> =>
  decodeTable(octets, RTM_NEWNEIGH, decodeNeighbour);
