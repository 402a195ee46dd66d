import { type Cidr, parseCidr } from "../../crds/cidr.ts";
import type { ClusterAddresses, ObservedNode, ObservedService } from "../world.ts";

/** Addresses and pod ranges of all nodes and Services. */
export function clusterAddresses(
  nodes: readonly ObservedNode[],
  services: readonly ObservedService[],
): ClusterAddresses {
  const ranges = new Set(nodes.flatMap(({ podCidrs }) => podCidrs));
  return {
    nodes: new Set(nodes.flatMap(({ addresses }) => addresses)),
    services: new Set(services.flatMap(({ addresses }) => addresses)),
    podRanges: [...ranges].flatMap((text): Cidr | Cidr[] => parseCidr(text) ?? []),
  };
}
