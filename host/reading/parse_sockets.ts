import { joinSockets, withOwners } from "./join_sockets.ts";
import { decodeUdpSockets } from "./netlink/udp_sockets.ts";
import type { UdpSocket } from "./reading.ts";
import type { Sections } from "./sections.ts";
import { OWNERS } from "./sources.ts";
import { parseOwners } from "./text/owners.ts";
import { parseUdpTable } from "./text/udp_table.ts";

function parseSocketsOf(sections: Sections, family: 4 | 6): UdpSocket[] | undefined {
  const [diagName, tableName] = family === 4 ? ["inet_diag/udp4", "proc/net/udp"] : ["inet_diag/udp6", "proc/net/udp6"];
  const diag = sections.octets(diagName, decodeUdpSockets);
  const table =
    sections.has(tableName) || diag === undefined
      ? sections.text(tableName, (text) => parseUdpTable(text, family))
      : undefined;
  const { value, reason } = joinSockets(diag, table);
  sections.note(diagName, reason);
  return value;
}

/** Of both families; undefined where neither can be told. */
export function parseSockets(sections: Sections): UdpSocket[] | undefined {
  const families = ([4, 6] as const).map((family) => parseSocketsOf(sections, family));
  const owners = sections.text(OWNERS, parseOwners);
  if (families.every((sockets) => sockets === undefined)) return undefined;
  return withOwners(
    families.flatMap((sockets) => sockets ?? []),
    owners,
  );
}
