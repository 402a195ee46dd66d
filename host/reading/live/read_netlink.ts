import { decodeMessages } from "../netlink/messages.ts";
import {
  familyOf,
  familyRequest,
  linksRequest,
  NETLINK_GENERIC,
  NETLINK_ROUTE,
  NETLINK_SOCK_DIAG,
  neighboursRequest,
  qdiscsRequest,
  queueStatsRequest,
  udpSocketsRequest,
} from "../netlink/requests.ts";
import type { RawSource } from "../raw.ts";
import type { NetlinkSource } from "../sources.ts";
import { reasonOf } from "./reason.ts";
import type { HostSystem } from "./system.ts";

/** A table that changes while it is dumped is dumped again, as a rule with more luck. */
const ATTEMPTS = 3;
/** More are cheaper to be had by asking for all. */
const MOST_PORTS = 8;
const ABSENT: Readonly<Record<NetlinkSource, string>> = {
  "rtnl/link": "this kernel has no rtnetlink",
  "rtnl/qdisc": "this kernel has no traffic control",
  "rtnl/neighbour": "this kernel has no neighbours",
  "inet_diag/udp4": "this kernel has no udp_diag, or does not load the module: /proc/net/udp has less",
  "inet_diag/udp6": "this kernel has no udp_diag, or does not load the module: /proc/net/udp6 has less",
  "netdev/queue-stats": "kernels before 6.9 have none",
};

function dump(system: HostSystem, protocol: number, request: Uint8Array): Uint8Array {
  for (let attempt = 1; ; attempt++) {
    const answer = system.netlink(protocol, request);
    const { refusal, isInterrupted } = decodeMessages(answer);
    if (refusal !== undefined) throw Object.assign(new Error(refusal), { code: refusal });
    if (!isInterrupted || attempt === ATTEMPTS) return answer;
  }
}

function readQueueStats(system: HostSystem): Uint8Array {
  const family = familyOf(dump(system, NETLINK_GENERIC, familyRequest("netdev")));
  if (family === undefined) throw Object.assign(new Error("no family"), { code: "ENOENT" });
  return dump(system, NETLINK_GENERIC, queueStatsRequest(family));
}

/** Answers one after the other: whoever decodes them sees one. */
function readSockets(system: HostSystem, family: 4 | 6, ports: readonly number[]): Uint8Array {
  const asked = ports.length === 0 || ports.length > MOST_PORTS ? [0] : ports;
  return Buffer.concat(asked.map((port) => dump(system, NETLINK_SOCK_DIAG, udpSocketsRequest(family, port))));
}

function answerTo(system: HostSystem, name: NetlinkSource, ports: readonly number[]): Uint8Array {
  switch (name) {
    case "rtnl/link":
      return dump(system, NETLINK_ROUTE, linksRequest());
    case "rtnl/qdisc":
      return dump(system, NETLINK_ROUTE, qdiscsRequest());
    case "rtnl/neighbour":
      return dump(system, NETLINK_ROUTE, neighboursRequest());
    case "inet_diag/udp4":
      return readSockets(system, 4, ports);
    case "inet_diag/udp6":
      return readSockets(system, 6, ports);
    case "netdev/queue-stats":
      return readQueueStats(system);
  }
}

/** One netlink source. `ports`: of sockets only those of these local ports; none named: all. */
export function readNetlink(system: HostSystem, name: NetlinkSource, ports: readonly number[] = []): RawSource {
  try {
    return { base64: Buffer.from(answerTo(system, name, ports)).toString("base64") };
  } catch (error) {
    return { error: reasonOf(error, { absent: ABSENT[name], right: "CAP_NET_ADMIN" }) };
  }
}
