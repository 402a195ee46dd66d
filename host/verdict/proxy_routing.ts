import type { ProxyMeasure } from "../reading/proxy_measure.ts";
import type { Verdict } from "./finding.ts";
import { isLoss } from "./gates.ts";
import { count, share } from "./words.ts";

interface Refusal extends Pick<Verdict, "name" | "remedy" | "inVain"> {
  readonly cause: keyof ProxyMeasure["refused"];
  readonly counter: string;
  readonly title: string;
}

const refusal = ({ cause, counter, title, ...verdict }: Refusal): Verdict => ({
  ...verdict,
  handOff: "7",
  find: ({ proxy }) => {
    const lost = proxy?.refused[cause];
    if (proxy === undefined || !isLoss(lost, proxy.received)) return [];
    const proof = [`${counter} ${count(lost)}, ${share(lost, proxy.received)} of what was received`];
    return [{ severity: "loss", title, datagrams: lost, proof }];
  },
});

export const newFlowBudget = refusal({
  name: "new-flow-budget",
  cause: "budget",
  counter: "route_dropped_budget",
  title: "More new flows come than dataPlane.newFlowsPerSecond allows",
  remedy: [
    "If they are clients: raise dataPlane.newFlowsPerSecond, or run more workers or nodes",
    "If they are not (a flood): it works as it should, and known connections go on",
  ],
  inVain: ["Buffers and rings: the proxy refuses on purpose"],
});

export const flowTableFull = refusal({
  name: "flow-table-full",
  cause: "tableFull",
  counter: "route_dropped_table_full",
  title: "The proxy's table of flows is full of confirmed flows",
  remedy: [
    "Let flows end sooner (routing.idleTimeout)",
    "Give the tables more memory (dataPlane.flowMemory), or run more nodes",
  ],
  inVain: ["Buffers: the proxy has no place to remember the flow"],
});

export const portsExhausted = refusal({
  name: "upstream-ports-exhausted",
  cause: "noPort",
  counter: "route_dropped_no_socket",
  title: "Every upstream port toward a backend is a confirmed flow's",
  remedy: [
    "Give the proxy more ports (dataPlane.upstreamPorts) or more addresses of the same subnet",
    "Spread the flows over more backends or nodes, or let them end sooner (routing.idleTimeout)",
  ],
  inVain: ["Buffers: there is no port to send from"],
});

export const noBackend = refusal({
  name: "no-backend",
  cause: "noBackend",
  counter: "route_dropped_no_backend",
  title: "No backend takes new connections",
  remedy: [
    "See which backends the proxy knows and how they are: quicproxy top, kubectl describe quicproxy",
    "Give one of them a weight above 0, or repair its health check",
  ],
  inVain: ["Buffers and rings: there is nowhere to send to"],
});
