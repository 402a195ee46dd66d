import type { UdpSocket } from "../reading/reading.ts";
import type { Drop, Witness } from "../reading/witness.ts";
import { HAND_OFFS, type HandOffId } from "./hand_offs.ts";

/*
 * At which hand-off a drop reason happens. Reasons are named as the kernel names them; one that is not here has a row of its
 * own, and is never left out of a sum.
 */

/**
 * not ours: frames that nobody here wanted. unspecified: freed without a reason, which need not be a loss. undefined: a
 * reason that this program does not know.
 */
export type ReasonPlace = HandOffId | "not ours" | "unspecified" | undefined;

const PLACES: Readonly<Partial<Record<Exclude<ReasonPlace, undefined>, string>>> = {
  "1": "FULL_RING NOMEM DEV_READY DEV_HDR",
  // Only what XDP drops behind the driver (generic XDP): a driver's own frames are no skb yet.
  "1x": "XDP",
  "2": "CPU_BACKLOG PFMEMALLOC",
  "3":
    "TC_INGRESS TC_COOKIE_ERROR TC_CHAIN_NOTFOUND TC_RECLASSIFY_LOOP IP_RPFILTER IP_INHDR IP_CSUM IP_INADDRERRORS IP_INNOROUTES " +
    "IP_LOCALNET IP_LOCAL_SOURCE IP_INVALID_SOURCE IP_INVALID_DEST IP_NOPROTO IPV6DISABLED IPV6_BAD_EXTHDR DUP_FRAG " +
    "FRAG_REASM_TIMEOUT FRAG_TOO_FAR UNICAST_IN_L2_MULTICAST",
  "3n": "NETFILTER_DROP",
  "4": "NO_SOCKET UDP_CSUM PKT_TOO_SMALL XFRM_POLICY",
  "5": "SOCKET_FILTER SOCKET_RCVBUFF PROTO_MEM SOCKET_CLOSE QUEUE_PURGE SKB_UCOPY_FAULT",
  "8": "TC_EGRESS IP_OUTNOROUTES BPF_CGROUP_EGRESS PKT_TOO_BIG NO_TX_TARGET SKB_GSO_SEG TAP_TXFILTER RECURSION_LIMIT",
  "not ours": "OTHERHOST UNHANDLED_PROTO",
  unspecified: "NOT_SPECIFIED",
};

const FAMILIES: readonly (readonly [prefix: string, place: ReasonPlace])[] = [
  ["FRAG_", "3"],
  ["QDISC_", "8"],
  ["FQ_", "8"],
  ["CAKE_", "8"],
  ["DUALPI2_", "8"],
  ["NEIGH_", "8"],
  ["VLAN_", "not ours"],
];

const PLACE_OF: ReadonlyMap<string, ReasonPlace> = new Map(
  Object.entries(PLACES).flatMap(([place, names]) =>
    names.split(" ").map((name): [string, ReasonPlace] => [name, place as ReasonPlace]),
  ),
);

export function placeOf({ reason, direction, family }: Pick<Drop, "reason" | "direction" | "family">): ReasonPlace {
  // The same checks stand on the way in and on the way out.
  if (reason === "SECURITY_HOOK") return direction === "in" ? "5" : "8";
  if (direction === "out" && ["NETFILTER_DROP", "NOMEM", "QUEUE_PURGE"].includes(reason)) return "8";
  if (family === 0) return "not ours";
  return PLACE_OF.get(reason) ?? FAMILIES.find(([prefix]) => reason.startsWith(prefix))?.[1];
}

/** One reason at one place, over all ports, sockets and interfaces. */
export interface ReasonRow {
  readonly place: ReasonPlace;
  readonly reason: string;
  readonly skbs: number;
  readonly datagrams: number;
  readonly drops: readonly Drop[];
}

const ORDER: readonly ReasonPlace[] = [...HAND_OFFS.map(({ id }) => id), undefined, "not ours", "unspecified"];

export const sumOf = (drops: readonly Drop[], what: "skbs" | "datagrams"): number =>
  drops.reduce((sum, drop) => sum + drop[what], 0);

/** Those of the namespace that the readings are of. */
export const dropsOf = ({ drops, namespace }: Witness): readonly Drop[] =>
  drops.filter((drop) => drop.namespace === namespace);

/** All drops of the witness's namespace by place and reason, in path order, the most frequent first. */
export function reasonRows(witness: Witness): readonly ReasonRow[] {
  const groups = Map.groupBy(dropsOf(witness), (drop) => `${placeOf(drop)} ${drop.reason}`);
  const rows = [...groups.values()].map((drops): ReasonRow => {
    const [first] = drops as [Drop, ...Drop[]];
    return {
      place: placeOf(first),
      reason: first.reason,
      skbs: sumOf(drops, "skbs"),
      datagrams: sumOf(drops, "datagrams"),
      drops,
    };
  });
  return rows.sort((a, b) => ORDER.indexOf(a.place) - ORDER.indexOf(b.place) || b.skbs - a.skbs);
}

/** What was dropped at a socket. */
export interface SocketDrops {
  /** undefined: closed since, or not of this reading. */
  readonly socket: UdpSocket | undefined;
  readonly cookie: string;
  readonly drops: readonly Drop[];
}

/** Drops by the socket that was to have them or that sent them, the most frequent first. */
export function dropsBySocket(witness: Witness, sockets: readonly UdpSocket[]): readonly SocketDrops[] {
  const known = new Map(sockets.map((socket) => [String(socket.cookie), socket]));
  const withSocket = dropsOf(witness).filter(({ cookie }) => cookie !== undefined);
  return [...Map.groupBy(withSocket, ({ cookie }) => cookie!)]
    .map(([cookie, drops]) => ({ socket: known.get(cookie), cookie, drops }))
    .sort((a, b) => sumOf(b.drops, "skbs") - sumOf(a.drops, "skbs"));
}
