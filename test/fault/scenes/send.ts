import type { Scene } from "../scene.ts";
import { CLIENT, WIRE } from "../stage/stage.ts";

export const qdisc: Scene = {
  fault: "qdisc (tbf) too slow",
  handOff: "8",
  verdict: "qdisc-drops",
  remedy: /qdisc/,
  reason: "QDISC_DROP",
  exitCode: 1,
  moves: { "qdiscs.drops": 500, "udp4.SndbufErrors": 500 },
  reach: "namespace",
  subject: {},
  play: async (stage) => {
    stage.onHost("tc", ...`qdisc add dev ${WIRE} root tbf rate 2mbit burst 10000 limit 30000`.split(" "));
    await stage.sendOut({ to: CLIENT, rate: 2000 });
  },
};

/** An address of the link that nobody has. */
const NOBODY = "10.79.1.77";

export const neighbourMissing: Scene = {
  fault: "missing neighbour",
  handOff: "8",
  verdict: "neighbour-missing",
  remedy: /neigh/,
  reason: "NEIGH_QUEUEFULL",
  exitCode: 1,
  moves: { "udp4.OutDatagrams": 500, "arpCache.unresolved_discards": 500 },
  still: ["ip4.OutDiscards"],
  reach: "machine",
  subject: {},
  play: async (stage) => {
    await stage.sendOut({ to: NOBODY, rate: 2000 });
  },
};

export const noRoute: Scene = {
  fault: "no route",
  handOff: "8",
  verdict: "no-route",
  remedy: /ip route/,
  exitCode: 1,
  moves: { "ip4.OutNoRoutes": 500 },
  still: ["udp4.OutDatagrams"],
  reach: "namespace",
  subject: {},
  play: async (stage) => {
    await stage.sendOut({ to: "203.0.113.9", rate: 2000 });
  },
};
