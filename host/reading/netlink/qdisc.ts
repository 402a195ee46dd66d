import type { Qdisc } from "../reading.ts";
import { type Parsed, printable } from "../text/columns.ts";
import { decodeAttributes } from "./attributes.ts";
import { text, u32 } from "./octets.ts";
import { decodeTable } from "./table.ts";

const RTM_NEWQDISC = 36;
const TCMSG_BYTES = 20;
const TCA_KIND = 1;
const TCA_STATS2 = 7;
const TCA_STATS_QUEUE = 3;
const ROOT = 0xffff_ffff;
const INGRESS = 0xffff_fff1;

/** `8001:` or `8001:2`, as tc writes it. */
function handleOf(handle: number): string {
  const minor = handle & 0xffff;
  return `${(handle >>> 16).toString(16)}:${minor === 0 ? "" : minor.toString(16)}`;
}

function parentOf(parent: number): string {
  if (parent === ROOT) return "root";
  return parent === INGRESS ? "ingress" : handleOf(parent);
}

function decodeQdisc(payload: Uint8Array): Qdisc | undefined {
  const [interfaceIndex, handle, parent] = [u32(payload, 4), u32(payload, 8), u32(payload, 12)];
  const attributes = decodeAttributes(payload.subarray(TCMSG_BYTES));
  const kind = text(attributes.get(TCA_KIND));
  const queue = decodeAttributes(attributes.get(TCA_STATS2)).get(TCA_STATS_QUEUE);
  const [backlogPackets, drops, overlimits] = [u32(queue, 0), u32(queue, 8), u32(queue, 16)];
  if (handle === undefined || parent === undefined || kind === undefined) return undefined;
  if (backlogPackets === undefined || drops === undefined || overlimits === undefined) return undefined;
  return {
    interfaceIndex: interfaceIndex!,
    kind: printable(kind),
    handle: handleOf(handle),
    parent: parentOf(parent),
    drops: BigInt(drops),
    overlimits: BigInt(overlimits),
    backlogPackets,
  };
}

/**
 * RTM_GETQDISC dump (net/sched/sch_api.c, tc_fill_qdisc; struct gnet_stats_queue, 32 bit each). A root that has others below it
 * (mq, htb, prio) contains what they dropped.
 */
export const decodeQdiscs = (octets: Uint8Array): Parsed<Qdisc[]> => decodeTable(octets, RTM_NEWQDISC, decodeQdisc);
