import { execFileSync } from "node:child_process";
import { insideNamespace } from "../../../proxy/lab/namespace.ts";
import { backendPort, type Edge } from "../lab.ts";

/** Destination NAT with conntrack, as kube-proxy's nftables mode does it: the client's address is kept. */
export function startTranslator({ namespace, backend }: Edge, port: number): void {
  const rules = `table ip bench {
  chain prerouting {
    type nat hook prerouting priority dstnat;
    udp dport ${port} dnat to ${backend}:${backendPort}
  }
}`;
  const [file, args] = insideNamespace(namespace, ["nft", "-f", "-"]);
  execFileSync(file, args, { input: rules, stdio: ["pipe", "pipe", "pipe"] });
}
