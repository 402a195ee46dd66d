import { nodeSpecShape, type QuicProxyNodeSpec } from "../../crds/node_schema.ts";
import type { RuleFinding } from "../../crds/rule_finding.ts";
import { crossFieldFaults } from "../../crds/rules.ts";
import { clusterDestinationRules } from "../../crds/rules_destinations.ts";
import { unavailableFaults } from "../../crds/unavailable.ts";
import type { PlanResult } from "../apply/plan.ts";
import { planOf } from "../apply/planner.ts";
import { plan } from "../contract/plan.ts";
import { readQuicLbKeys } from "../contract/quic_lb_keys.ts";
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
  const { backends } = parsed.data.intent;
  const intent = { ...parsed.data.intent, backends: { ...backends, static: backends.static ?? [] } };
  const findings = [
    ...crossFieldFaults(intent, local),
    ...clusterDestinationRules(intent),
    ...unavailableFaults(intent),
  ];
  if (findings.length === 0) return { spec: { ...parsed.data, intent } };
  return {
    faults: findings.map(({ path, what, allowed }) => `spec.${formatPath(path)}: ${what}; allowed: ${allowed}`),
  };
}

export interface NodePlanOptions {
  readonly namespace: string;
  /** CPUs this process may use. */
  readonly cpus: number;
  /** Where the Secrets of QUIC-LB keys are mounted. */
  readonly keyDir: string;
}

/** What a checked spec means to the data plane, or what is wrong with the keys that it names. */
export async function planNodeSpec(spec: QuicProxyNodeSpec, options: NodePlanOptions): Promise<PlanResult> {
  const { proxy, hashKey, intent } = spec;
  const { namespace, cpus, keyDir } = options;
  const quicLb = await readQuicLbKeys(intent.routing, { baseDir: undefined, keyDir });
  if (quicLb.faults.length > 0) return { faults: quicLb.faults.map(formatFinding) };
  const key = Uint8Array.from(Buffer.from(hashKey, "hex"));
  const contract = plan(intent, { generation: 0, cpus, hashKey: key, quicLbKeys: quicLb.keys });
  const warnings = quicLb.warnings.map(formatFinding);
  return { plan: planOf({ name: proxy, namespace, spec: intent, contract, warnings }) };
}

function formatFinding({ path, what, allowed }: RuleFinding): string {
  return `spec.${formatPath(path)}: ${what}; allowed: ${allowed}`;
}
