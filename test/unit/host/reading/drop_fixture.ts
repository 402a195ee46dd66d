import type { Drop, Witness } from "../../../../host/reading/witness.ts";

export function drop(changes: Partial<Drop> = {}): Drop {
  const skbs = changes.skbs ?? 100;
  return {
    reason: "SOCKET_RCVBUFF",
    namespace: 1,
    interfaceIndex: 2,
    family: 4,
    port: 443,
    direction: "in",
    isFragment: false,
    skbs,
    datagrams: skbs,
    octets: skbs * 1_200,
    ...changes,
  };
}

export const witness = (changes: Partial<Witness> = {}): Witness => ({
  level: "reasons",
  refusals: [],
  namespace: 1,
  seconds: 10,
  drops: [],
  events: 1_000,
  lost: 0,
  unreadable: 0,
  missed: 0,
  ...changes,
});
