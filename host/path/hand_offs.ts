/** The places at which one part of the path gives a datagram to the next, in the order in which it passes them. */
export const HAND_OFFS = [
  { id: "0", name: "cloud allowance", what: "the hypervisor or cloud gives it to the machine" },
  { id: "1", name: "NIC and driver ring", what: "the network card gives it to the driver" },
  { id: "1x", name: "native XDP", what: "an XDP program in the driver lets it pass" },
  { id: "2", name: "softirq backlog", what: "the softirq of a CPU takes it from a backlog" },
  { id: "3", name: "tc and IP input", what: "the IP layer takes it as its own" },
  { id: "3n", name: "netfilter", what: "rules, connection tracking and queues let it pass" },
  { id: "4", name: "UDP", what: "UDP finds a socket for it" },
  { id: "5", name: "socket", what: "the socket has room for it, and a program reads it" },
  { id: "6", name: "receive ring", what: "the proxy's receiving thread gives it to its worker" },
  { id: "7", name: "routing", what: "the proxy finds a backend for it" },
  { id: "8", name: "sending", what: "the kernel sends it on" },
  { id: "9", name: "backend", what: "the backend answers" },
] as const;

export type HandOffId = (typeof HAND_OFFS)[number]["id"];
