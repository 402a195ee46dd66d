import { sumOf } from "../path/count.ts";
import type { BackendMeasure } from "../reading/proxy_measure.ts";
import type { Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { count } from "./words.ts";

const refuses = ({ refused, sent }: BackendMeasure): boolean => isLoss(refused, sent);

export const backendRefuses: Verdict = {
  name: "backend-refuses",
  handOff: "9",
  remedy: [
    "Start the server on {backend}, or name the port that it listens on: it answers by ICMP that nobody listens there",
    "See whether a firewall on the way answers instead (ICMP admin-prohibited)",
  ],
  inVain: ["Buffers of this machine: the datagrams reached the backend"],
  find: ({ proxy }) =>
    (proxy?.backends ?? []).filter(refuses).map(({ name, sent, refused }) => ({
      severity: "loss",
      title: `The backend ${name} refuses datagrams: nobody listens there`,
      datagrams: refused,
      proof: [
        `${count(refused)} ICMP errors for ${count(sent)} datagrams; hosts limit their rate, so that more may be lost`,
      ],
      fill: { backend: name },
    })),
};

export const backendSilent: Verdict = {
  name: "backend-silent",
  handOff: "9",
  remedy: [
    "See whether {backend} gets them: quicproxy doctor there; nothing on this machine lost them",
    "Let a health check take it out of the choice for new connections (backends.health)",
  ],
  inVain: ["Buffers of this machine: the datagrams left it"],
  find: ({ proxy }) =>
    (proxy?.backends ?? [])
      .filter((backend) => backend.answered === 0 && !refuses(backend) && isLoss(backend.sent, backend.sent))
      .map(({ name, sent }) => ({
        severity: "loss",
        title: `The backend ${name} answers nothing`,
        datagrams: sent,
        proof: [`${count(sent)} datagrams were sent to it, none came back`],
        fill: { backend: name },
      })),
};

export const unreachableAnswers: Verdict = {
  name: "unreachable-answers",
  handOff: "9",
  remedy: [
    "See who sends them and about what: tcpdump -n -i any icmp or icmp6; they name the destination that cannot be reached",
  ],
  inVain: ["Buffers of this machine: the datagrams left it"],
  find: ({ send, totals }) => {
    const { icmp4, icmp6 } = send.destinationUnreachable;
    const answers = sumOf([icmp4, icmp6]);
    if (!isLoss(answers, totals.sent)) return [];
    return [
      {
        severity: "warning",
        title: "Destinations cannot be reached, say ICMP errors that came back",
        datagrams: undefined,
        proof: [`InDestUnreachs ${count(answers)}, while ${count(totals.sent ?? 0)} datagrams were sent`],
      },
    ];
  },
};
