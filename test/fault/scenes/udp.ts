import type { Scene } from "../scene.ts";

export const noListener: Scene = {
  fault: "port without a listener",
  handOff: "4",
  verdict: "no-listener",
  remedy: /listen/,
  reason: "NO_SOCKET",
  exitCode: 1,
  moves: { "udp4.NoPorts": 500 },
  still: ["udp4.InErrors"],
  reach: "namespace",
  play: async (stage) => {
    await stage.send({ rate: 1000 });
  },
};

export const checksums: Scene = {
  fault: "burst of wrong checksums",
  handOff: "4",
  verdict: "checksum-errors",
  remedy: /tx off/,
  reason: "UDP_CSUM",
  exitCode: 1,
  moves: { "udp4.InCsumErrors": 500, "udp4.InErrors": 500 },
  reach: "namespace",
  play: async (stage) => {
    await stage.receive();
    await stage.sendRaw({ "bad-checksum": true, rate: 1500 });
    await stage.send({ rate: 500 });
  },
};
