import type { Verdict } from "./finding.ts";
import { losingSockets } from "./losing_sockets.ts";
import { portName, socketLine } from "./socket_words.ts";
import { count } from "./words.ts";

export const otherPorts: Verdict = {
  name: "other-port-loses",
  handOff: "5",
  remedy: ["Ask about that port by itself: quicproxy doctor --port {port}"],
  inVain: [],
  find: (measures) =>
    losingSockets(measures)
      .filter(({ sockets }) => !sockets.some(({ isSubject }) => isSubject))
      .map((losing) => ({
        severity: "other",
        title: `${portName(losing)} loses datagrams; it is not what was asked about`,
        datagrams: losing.lost,
        proof: [`lost ${count(losing.lost)}`, ...losing.sockets.slice(0, 1).map(socketLine)],
        fill: { port: String(losing.sockets[0]!.socket.localPort) },
      })),
};
