import { nodeSpecShape, type QuicProxyNodeSpec } from "../../crds/node_schema.ts";
import { crossFieldFaults } from "../../crds/rules.ts";
import { unavailableFaults } from "../../crds/unavailable.ts";
import type { Plan } from "../apply/plan.ts";
import { planOf } from "../apply/planner.ts";
import { plan } from "../contract/plan.ts";
import { formatPath, type Path } from "../manifest/fault.ts";
import { localAddresses } from "../manifest/local_addresses.ts";

export type CheckedNodeSpec = { readonly spec: QuicProxyNodeSpec } | { readonly faults: readonly string[] };

/** The spec of a QuicProxyNode as this proxy can run it on this host, or every fault in it as one line each. */
export function checkNodeSpec(raw: unknown, local: readonly string[] = localAddresses()): CheckedNodeSpec {
  const parsed = nodeSpecShape.safeParse(raw);
  if (!parsed.success) {
    return {
      faults: parsed.error.issues.map(({ path, message }) => `spec.${formatPath(path as Path)}: allowed: ${message}`),
    };
  }
  const { intent } = parsed.data;
  const findings = [...crossFieldFaults(intent, local), ...unavailableFaults(intent)];
  if (findings.length === 0) return { spec: parsed.data };
  return {
    faults: findings.map(({ path, what, allowed }) => `spec.${formatPath(path)}: ${what}; allowed: ${allowed}`),
  };
}

/** What a checked spec means to the data plane. `cpus`: those this process may use. */
export function planNodeSpec({ proxy, hashKey, intent }: QuicProxyNodeSpec, namespace: string, cpus: number): Plan {
  const key = Uint8Array.from(Buffer.from(hashKey, "hex"));
  const contract = plan(intent, { generation: 0, cpus, hashKey: key, quicLbKeys: new Map() });
  return planOf({ name: proxy, namespace, spec: intent, contract, warnings: [] });
}
