import { sumOf } from "../path/count.ts";
import type { Measures } from "../path/measures.ts";
import type { Found, Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { count, share } from "./words.ts";

const TUNNELS = ["vxlan", "geneve", "gre", "gretap", "ipip", "sit", "ip6tnl", "fou", "bareudp"];

/** From this share on, bad datagrams are why a socket's buffer is full. */
const FLOOD_SHARE = 0.05;

function found(measures: Measures, isTunnel: boolean): Found[] {
  const { checksumErrors, receiveBufferErrors, arrived } = measures.totals;
  if (!isLoss(checksumErrors, arrived)) return [];
  const tunnels = tunnelsOf(measures);
  if (tunnels.length > 0 !== isTunnel) return [];
  const errors = sumOf([measures.udp.ip4.inErrors, measures.udp.ip6.inErrors]) ?? 0;
  const isFlood = (receiveBufferErrors ?? 0) > 0 && checksumErrors > errors * FLOOD_SHARE;
  return [
    {
      severity: "loss",
      title: "Datagrams come with a wrong UDP checksum",
      datagrams: checksumErrors,
      proof: [
        `InCsumErrors ${count(checksumErrors)}, ${share(checksumErrors, errors)} of InErrors; of a socket they are counted when it is read`,
        ...(isTunnel ? [`tunnels of this machine: ${tunnels.join(", ")}`] : []),
        ...(isFlood
          ? [`they fill the receive buffer as well: RcvbufErrors ${count(receiveBufferErrors ?? 0)} is a consequence`]
          : []),
      ],
    },
  ];
}

const tunnelsOf = ({ after }: Measures): string[] =>
  (after.links ?? []).filter(({ kind = "" }) => TUNNELS.includes(kind)).map(({ name }) => name);

export const checksumTunnel: Verdict = {
  name: "checksum-behind-tunnel",
  handOff: "4",
  remedy: [
    "On the machine that sends, switch the tunnel's offload off: ethtool -K INTERFACE tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off",
    "Or on its tunnel device: ethtool -K vxlan.calico tx-checksum-ip-generic off; newer kernels and firmware have it repaired",
  ],
  inVain: ["Anything on this machine: the sender computes a wrong checksum", "A bigger socket buffer"],
  find: (measures) => found(measures, true),
};

export const checksumErrors: Verdict = {
  name: "checksum-errors",
  handOff: "4",
  remedy: [
    "See who sends them: tcpdump -vv -i any udp, lines with bad udp cksum; a capture on the sender itself always shows that with offload",
    "On the sender, switch checksum offload off to try: ethtool -K INTERFACE tx off",
    "From many strangers at once it is a flood: filter it before the socket, with XDP or at the edge",
  ],
  inVain: ["A bigger socket buffer: it holds more garbage"],
  find: (measures) => found(measures, false),
};
