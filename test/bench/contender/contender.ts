import { addEdge, type BenchLab, backendPort, type Edge, proxyPort } from "../lab.ts";
import type { LoadTarget } from "../load.ts";
import type { Contender } from "./measured.ts";
import { startNginx } from "./nginx.ts";
import { type QuicproxyPlan, startQuicproxy } from "./quicproxy.ts";
import { startTranslator } from "./translator.ts";

export type ContenderPlan =
  | { kind: "routed" | "translated"; name: string }
  | ({ kind: "quicproxy"; name: string } & QuicproxyPlan)
  | { kind: "nginx"; name: string; workers: number };

/** Every kind once, as the tables name them. */
export const routed: ContenderPlan = { kind: "routed", name: "no proxy, routed" };
export const translated: ContenderPlan = { kind: "translated", name: "nftables DNAT" };
export const oneWorker: ContenderPlan = { kind: "quicproxy", name: "quicproxy, 1 worker", workers: 1 };
export const twoWorkers: ContenderPlan = { kind: "quicproxy", name: "quicproxy, 2 workers", workers: 2 };
/** At the upstream level that needs no capability. */
export const overSockets: ContenderPlan = {
  kind: "quicproxy",
  name: "quicproxy, 1 worker, sockets",
  workers: 1,
  dataPlane: { upstreamLevel: "Sockets" },
};
/** A receiving and a forwarding thread. */
export const decoupled: ContenderPlan = {
  kind: "quicproxy",
  name: "quicproxy, 1 worker, Decoupled",
  workers: 1,
  mode: "Decoupled",
};
export const baseline: ContenderPlan = { kind: "quicproxy", name: "Baseline", workers: 1, mode: "Baseline" };
export const nginx: ContenderPlan = { kind: "nginx", name: "nginx, 1 worker", workers: 1 };
export const twoNginx: ContenderPlan = { kind: "nginx", name: "nginx, 2 workers", workers: 2 };

/** Starts contenders beside each other: those that are not being measured have nothing to do. */
export async function startContenders(lab: BenchLab, plans: readonly ContenderPlan[]): Promise<Contender[]> {
  const contenders: Contender[] = [];
  for (const plan of plans) contenders.push(await startContender(lab, plan));
  return contenders;
}

export async function startContender(lab: BenchLab, plan: ContenderPlan): Promise<Contender> {
  const { name } = plan;
  switch (plan.kind) {
    case "routed": {
      const edge = addEdge(lab, "router");
      const { backend: address, firstFlowAddress } = edge;
      return { name, edge, target: { address, port: backendPort, firstFlowAddress } };
    }
    case "translated": {
      const edge = addEdge(lab, "translator");
      startTranslator(edge, proxyPort);
      return { name, edge, target: proxyTarget(edge) };
    }
    case "quicproxy": {
      const edge = addEdge(lab, "proxy");
      return { name, edge, target: proxyTarget(edge), ...(await startQuicproxy(lab, edge, plan)) };
    }
    case "nginx": {
      const edge = addEdge(lab, "proxy");
      return { name, edge, target: proxyTarget(edge), process: await startNginx(lab, edge, plan) };
    }
  }
}

function proxyTarget({ towardClient, firstFlowAddress }: Edge): LoadTarget {
  return { address: towardClient, port: proxyPort, firstFlowAddress };
}
