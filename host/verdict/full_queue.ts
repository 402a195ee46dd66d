import type { Verdict } from "./finding.ts";
import { isStill } from "./queue.ts";
import { socketLine } from "./socket_words.ts";

export const fullQueue: Verdict = {
  name: "full-queue",
  handOff: "5",
  remedy: ["Look at the program: it has not read this socket for the whole window; what comes next is lost"],
  inVain: ["A bigger receive buffer: nobody reads it"],
  find: (measures) =>
    (measures.sockets ?? [])
      .filter((each) => each.isSubject && !each.isGone && each.drops === 0 && isStill(each, measures))
      .map((each) => ({
        severity: "warning",
        title: `The receive buffer of UDP port ${each.socket.localPort} is full, and nobody reads it; nothing came to be lost yet`,
        datagrams: undefined,
        proof: [socketLine(each)],
      })),
};
