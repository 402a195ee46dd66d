import type { Measures } from "../path/measures.ts";
import type { Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { count, share } from "./words.ts";

/** Frames that are no IP are some of what comes. */
const NO_IP_SHARE = 0.05;

export const genericXdp: Verdict = {
  name: "generic-xdp",
  handOff: "3",
  remedy: [
    "See whose program it is: ip -details link show {interface}, bpftool net",
    "Take it off to try: ip link set dev {interface} xdpgeneric off",
  ],
  inVain: ["Counters: what XDP drops outside of the driver is in none; only the kernel's drop reasons tell (XDP)"],
  find: (measures) =>
    (measures.links ?? []).flatMap(({ link, received = 0 }) => {
      const missing = received - atIp(measures);
      if (link.xdp !== "generic" || !isLoss(missing, received) || missing < received * NO_IP_SHARE) return [];
      return [
        {
          severity: "possible",
          title: `An XDP program outside of the driver of ${link.name} may drop datagrams`,
          datagrams: undefined,
          proof: [
            `${link.name} received ${count(received)}, IP saw ${count(atIp(measures))}: ${share(missing, received)} are missing, and a generic XDP program is attached`,
          ],
          fill: { interface: link.name },
        },
      ];
    }),
};

/** Datagrams on the wire that IP counted, of all interfaces. */
function atIp({ ip, offload }: Measures): number {
  return (
    (ip.ip4.inReceives ?? 0) * offload.ip4.datagramsPerSkb + (ip.ip6.inReceives ?? 0) * offload.ip6.datagramsPerSkb
  );
}
