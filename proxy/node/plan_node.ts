import type { BackendSet } from "../../crds/backends_schema.ts";
import { nodeSpecShape, type QuicProxyNodeSpec } from "../../crds/node_schema.ts";
import type { RuleFinding } from "../../crds/rule_finding.ts";
import { crossFieldFaults } from "../../crds/rules.ts";
import { unavailableFaults } from "../../crds/unavailable.ts";
import type { Plan } from "../apply/plan.ts";
import { planOf } from "../apply/planner.ts";
import { plan } from "../contract/plan.ts";
import { readQuicLbKeys } from "../contract/quic_lb_keys.ts";
import { formatPath, type Path } from "../manifest/fault.ts";
import { localAddresses } from "../manifest/local_addresses.ts";
import { usableBackends } from "./usable_backends.ts";

export type CheckedNodeSpec = { readonly spec: QuicProxyNodeSpec } | { readonly faults: readonly string[] };

/** The spec of a QuicProxyNode as this proxy can run it, or every fault in it as one line each. Its backends are others. */
export function checkNodeSpec(raw: unknown): CheckedNodeSpec {
  const parsed = nodeSpecShape.safeParse(raw);
  if (!parsed.success) {
    return {
      faults: parsed.error.issues.map(({ path, message }) => `spec.${formatPath(path as Path)}: allowed: ${message}`),
    };
  }
  const intent = { ...parsed.data.intent, backends: { ...parsed.data.intent.backends, static: [] } };
  const findings = [...crossFieldFaults(intent, []), ...unavailableFaults(intent)];
  if (findings.length === 0) return { spec: { ...parsed.data, intent } };
  return {
    faults: findings.map(({ path, what, allowed }) => `spec.${formatPath(path)}: ${what}; allowed: ${allowed}`),
  };
}

/** All that a node runs: its settings, and the backends. */
export interface NodeParts {
  readonly spec: QuicProxyNodeSpec;
  readonly set: BackendSet;
}

/** A plan with the backends that this host cannot use, and why; or what is wrong with the keys that the settings name. */
export type NodePlanResult =
  | { readonly plan: Plan; readonly leftOut: readonly string[] }
  | { readonly faults: string[] };

export interface NodePlanOptions {
  readonly namespace: string;
  /** CPUs this process may use. */
  readonly cpus: number;
  /** Where the Secrets of QUIC-LB keys are mounted. */
  readonly keyDir: string;
  /** Addresses of this host. */
  readonly localAddresses?: () => readonly string[];
}

/** What a checked spec and backends mean to the data plane of this host. */
export async function planNode({ spec, set }: NodeParts, options: NodePlanOptions): Promise<NodePlanResult> {
  const { proxy, hashKey, intent } = spec;
  const { namespace, cpus, keyDir, localAddresses: local = localAddresses } = options;
  const quicLb = await readQuicLbKeys(intent.routing, { baseDir: undefined, keyDir });
  if (quicLb.faults.length > 0) return { faults: quicLb.faults.map(formatFinding) };
  const { backends, leftOut } = usableBackends(set.backends, intent, local());
  const whole = { ...intent, backends: { ...intent.backends, static: [...backends] } };
  const key = Uint8Array.from(Buffer.from(hashKey, "hex"));
  const contract = plan(whole, { generation: 0, cpus, hashKey: key, quicLbKeys: quicLb.keys });
  const warnings = quicLb.warnings.map(formatFinding);
  return { plan: planOf({ name: proxy, namespace, spec: whole, contract, warnings }), leftOut };
}

function formatFinding({ path, what, allowed }: RuleFinding): string {
  return `spec.${formatPath(path)}: ${what}; allowed: ${allowed}`;
}
