import { parseChannels, parseDriver, parseRings, parseStats } from "./ethtool/text.ts";
import { decodeLinks } from "./netlink/link.ts";
import { decodeQueueStats } from "./netlink/queue_stats.ts";
import type { Counters, Link } from "./reading.ts";
import type { Sections } from "./sections.ts";
import { ethtoolSource } from "./sources.ts";
import { parseNetDev } from "./text/net_dev.ts";

/** What ethtool says of an interface, where it was asked. */
function ethtoolOf(sections: Sections, name: string): Partial<Link> {
  const asked = <Value>(what: Parameters<typeof ethtoolSource>[1], parse: (source: string) => Value | undefined) =>
    sections.has(ethtoolSource(name, what)) ? parse(ethtoolSource(name, what)) : undefined;
  const driver = asked("driver", (source) => sections.text(source, parseDriver));
  const driverStats = asked("stats", (source) => sections.text(source, parseStats));
  const rings = asked("rings", (source) => sections.text(source, parseRings));
  const channels = asked("channels", (source) => sections.text(source, parseChannels));
  return {
    ...(driver !== undefined && { driver }),
    ...(driverStats !== undefined && { driverStats }),
    ...(rings !== undefined && { rings }),
    ...(channels !== undefined && { channels }),
  };
}

function withDetails(sections: Sections, link: Link, queueStats: Counters | undefined): Link {
  return { ...link, ...(queueStats !== undefined && { queueStats }), ...ethtoolOf(sections, link.name) };
}

/** All interfaces: of netlink, or of /proc/net/dev where that is not to be had. */
export function parseLinks(sections: Sections): Link[] | undefined {
  const links = sections.octets("rtnl/link", decodeLinks);
  const queues = sections.octets("netdev/queue-stats", decodeQueueStats);
  const found = links ?? sections.text("proc/net/dev", parseNetDev);
  return found?.map((link) => withDetails(sections, link, queues?.get(link.index)));
}
