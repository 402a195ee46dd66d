import type { Measures } from "../path/measures.ts";
import { datagramsIn } from "../path/truesize.ts";
import type { Found, Verdict } from "./finding.ts";
import { type LosingSockets, losingSockets } from "./losing_sockets.ts";
import { portName } from "./socket_words.ts";
import { count, size } from "./words.ts";

export const receiveBufferClamped: Verdict = {
  name: "receive-buffer-clamped",
  handOff: "5",
  remedy: [
    "Both are needed: sysctl -w net.core.rmem_max=N, and a setsockopt SO_RCVBUF of N in the program, on a socket that is opened after that",
    "Check what was granted, not what was asked for: ss -ulnpm, rb is twice the setsockopt",
  ],
  inVain: ["rmem_max alone: the kernel cuts the wish when the socket asks, in silence, and never looks again"],
  find: (measures) =>
    losingSockets(measures)
      .filter(({ reason, sockets }) => reason === "burst" && sockets.some(({ isSubject }) => isSubject))
      .flatMap((losing) => clamped(losing, measures)),
};

function clamped(losing: LosingSockets, { after }: Measures): Found[] {
  const bytes = losing.sockets[0]!.socket.receiveBufferBytes;
  const [most, byDefault] = ["net.core.rmem_max", "net.core.rmem_default"].map((name) => after.sysctls.get(name)?.[0]);
  if (bytes === undefined || most === undefined) return [];
  const why =
    bytes === byDefault
      ? `it is net.core.rmem_default: the program never asked, although rmem_max would allow ${size(2 * most)}`
      : bytes === 2 * most
        ? `it is twice net.core.rmem_max (${count(most)}): the program asked for that or more`
        : undefined;
  if (why === undefined) return [];
  return [
    {
      severity: "warning",
      title: `The receive buffer of ${portName(losing)} is as small as the kernel's limits make it`,
      datagrams: undefined,
      proof: [`${count(bytes)} octets hold about ${count(datagramsIn(bytes))} datagrams`, why],
    },
  ];
}
