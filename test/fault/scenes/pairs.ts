import type { HandOffId } from "../../../host/path/hand_offs.ts";
import { CLIENT, PORT, type Stage, WIRE } from "../stage/stage.ts";
import { inputRule } from "./input.ts";
import { BUFFER } from "./socket.ts";

/** Two faults at once. */
export interface Pair {
  readonly faults: string;
  /** In path order: the first is what is asked to be mended first. */
  readonly verdicts: readonly { readonly handOff: HandOffId; readonly verdict: string }[];
  readonly play: (stage: Stage) => Promise<void>;
}

const mismatch = { handOff: "5", verdict: "consumption-mismatch" } as const;

export const PAIRS: readonly Pair[] = [
  {
    faults: "an nft rule drops a quarter, a slow consumer most of the rest",
    verdicts: [{ handOff: "3n", verdict: "filter-rule" }, mismatch],
    play: async (stage) => {
      stage.onHost("nft", inputRule(`udp dport ${PORT} numgen random mod 4 < 1 drop`));
      await stage.receive({ rate: 500, ...BUFFER });
      await stage.send({ rate: 4000 });
    },
  },
  {
    faults: "sources that rp_filter refuses, and bursts",
    verdicts: [
      { handOff: "3", verdict: "reverse-path-filter" },
      { handOff: "5", verdict: "burst" },
    ],
    play: async (stage) => {
      stage.onHost("sh", "-c", `echo 1 >/proc/sys/net/ipv4/conf/${WIRE}/rp_filter`);
      await stage.receive({ rate: 4000 });
      await stage.sendRaw({ source: "198.51.100.7" });
      await stage.send({ rate: 1000, burst: 500 });
    },
  },
  {
    faults: "a slow consumer, and answers that leave through a slow qdisc",
    verdicts: [mismatch, { handOff: "8", verdict: "qdisc-drops" }],
    play: async (stage) => {
      stage.onHost("tc", ...`qdisc add dev ${WIRE} root tbf rate 2mbit burst 10000 limit 30000`.split(" "));
      await stage.receive({ rate: 1000, ...BUFFER });
      await stage.send({ rate: 4000 });
      await stage.sendOut({ to: CLIENT, port: PORT + 1, rate: 2000 });
    },
  },
];
