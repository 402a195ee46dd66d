import type { QuicProxySpec } from "../../crds/schema.ts";
import type { Refusal } from "../parse.ts";
import type { ObservedProxy, World } from "../world.ts";
import { lastAccepted, revisionName, specOf } from "./accepted.ts";
import { type ResolvedBackends, resolveBackends } from "./backends.ts";
import { keptBeforeClasses } from "./before_classes.ts";
import { type Claim, portConflicts } from "./claims.ts";
import { chooseClass } from "./classes.ts";
import { type Judged, judgeSpec } from "./judge.ts";
import { type ChosenNodes, chooseNodes } from "./nodes.ts";
import { type Kept, readTerms, termsKept, withNodeSelector } from "./terms.ts";

/** What is to be done about one QuicProxy. */
export interface Decision {
  /** Why its present spec is not accepted; undefined: it is, and it is what is in force. */
  readonly refusal: Refusal | undefined;
  /** What the present spec asks for in vain. */
  readonly warnings: readonly string[];
  /** What is to run: the present spec, or the last accepted one. Undefined: nothing ever was accepted. */
  readonly inForce: InForce | undefined;
  /** How many nodes the present spec asks for where it is refused; undefined: it is in force, or cannot be read. */
  readonly asked?: number;
}

export interface InForce extends Kept {
  readonly resolved: ResolvedBackends;
  readonly nodes: ChosenNodes;
  /** Nodes that another QuicProxy has the ports of: why. */
  readonly takenNodes: Refusal | undefined;
}

export interface Decisions {
  readonly all: ReadonlyMap<string, Decision>;
  /** When time alone will change them, in milliseconds since 1970; undefined: never. */
  readonly changeAtMs: number | undefined;
}

/** A spec that is accepted has its ports for this long without a pod; then only where a proxy runs or has run. */
const CLAIM_GRACE_MS = 120_000;

/**
 * Decides about every QuicProxy, the oldest first. What runs keeps its ports, whatever is wrong with what was written
 * later; of two new ones that want one port on one node, the older has it. Pure.
 */
export function decideAll(world: World, nowMs: number): Decisions {
  const candidates = world.proxies
    .filter(({ deleting }) => !deleting)
    .sort(byAge)
    .map((proxy) => candidateOf(world, proxy, nowMs));
  const claims = new Map(candidates.flatMap(({ claim }) => (claim === undefined ? [] : [[claim.key, claim]])));
  const all = new Map<string, Decision>();
  for (const candidate of candidates) {
    const decision = decide(world, candidate, [...claims.values()]);
    all.set(candidate.proxy.key, decision);
    const isNew = decision.refusal === undefined && !candidate.isUnchanged;
    if (isNew && decision.inForce !== undefined) {
      claims.set(candidate.proxy.key, claimOf(candidate.proxy, decision.inForce.spec, decision.inForce.nodes.chosen));
    }
  }
  const endings = candidates.flatMap(({ graceEndsAtMs }) => (graceEndsAtMs > nowMs ? [graceEndsAtMs] : []));
  return { all, changeAtMs: endings.length === 0 ? undefined : Math.min(...endings) };
}

interface Candidate {
  readonly proxy: ObservedProxy;
  /** Nodes on which a pod of it is. */
  readonly podNodes: ReadonlySet<string>;
  readonly judged: Judged;
  readonly accepted: Kept | undefined;
  /** Whether the present spec is the one that was accepted last. */
  readonly isUnchanged: boolean;
  /** What the accepted spec has by running. */
  readonly claim: Claim | undefined;
  readonly graceEndsAtMs: number;
}

function candidateOf(world: World, proxy: ObservedProxy, nowMs: number): Candidate {
  const judged = judgeSpec(world, proxy);
  const revision = lastAccepted(proxy, world.revisions(proxy.namespace, proxy.name));
  const spec = specOf(revision);
  const terms = spec && termsKept(readTerms(revision?.terms), chooseClass(world, spec.className).found);
  const accepted = spec && { spec, terms };
  const isUnchanged = judged.ok && revision?.name === revisionName(proxy, judged.spec);
  const graceEndsAtMs = (revision?.createdAtMs ?? 0) + CLAIM_GRACE_MS;
  const subject = { proxy, podNodes: new Set(world.pods(proxy.namespace, proxy.name).map(({ nodeName }) => nodeName)) };
  const claim = accepted && runningClaim(world, subject, { ...accepted, hasGrace: graceEndsAtMs > nowMs });
  return { ...subject, judged, accepted, isUnchanged, claim, graceEndsAtMs };
}

type Subject = Pick<Candidate, "proxy" | "podNodes">;

interface Accepted extends Kept {
  readonly hasGrace: boolean;
}

/** Ports are taken where a pod is, or was until it went for a moment, and not where none could ever be made. */
function runningClaim(world: World, subject: Subject, { hasGrace, ...kept }: Accepted): Claim {
  const { proxy, podNodes } = subject;
  const { namespace, name } = proxy;
  const hasRun = world
    .nodeObjects(namespace, name)
    .filter(({ status }) => (status.appliedGeneration ?? 0) > 0)
    .map(({ nodeName }) => nodeName);
  const soon = hasGrace ? nodesOf(world, subject, kept).chosen : [];
  return claimOf(proxy, kept.spec, [...podNodes, ...hasRun, ...soon]);
}

function decide(world: World, candidate: Candidate, claims: readonly Claim[]): Decision {
  const { proxy, judged, accepted, isUnchanged } = candidate;
  const kept = () => force(world, candidate, accepted, claims);
  if (!judged.ok) return { refusal: judged.refusal, warnings: [], inForce: kept() };
  const { spec, terms, warnings } = judged;
  const present = { spec, terms };
  if (isUnchanged && accepted !== undefined) {
    const { notes, ...before } = keptBeforeClasses(world, proxy, { present, accepted });
    return { refusal: undefined, warnings: [...warnings, ...notes], inForce: force(world, candidate, before, claims) };
  }
  const nodes = nodesOf(world, candidate, present);
  const resolved = resolveBackends(world, proxy, present);
  const refusal = portConflicts(claimOf(proxy, spec, nodes.chosen), claims)[0]?.refusal ?? resolved.problem;
  if (refusal !== undefined) return { refusal, warnings: [], inForce: kept(), asked: nodes.chosen.length };
  return { refusal: undefined, warnings, inForce: { ...present, nodes, resolved, takenNodes: undefined } };
}

/** What was accepted before: it goes on, but comes to no further node that another has the ports of. */
function force(
  world: World,
  candidate: Candidate,
  kept: Kept | undefined,
  claims: readonly Claim[],
): InForce | undefined {
  if (kept === undefined) return undefined;
  const { proxy, claim } = candidate;
  const { spec } = kept;
  const nodes = nodesOf(world, candidate, kept);
  const further = nodes.chosen.filter((node) => claim?.nodes.has(node) !== true);
  const conflicts = portConflicts(claimOf(proxy, spec, further), claims);
  const taken = new Set(conflicts.flatMap((conflict) => conflict.nodes));
  const chosen = nodes.chosen.filter((node) => !taken.has(node));
  const resolved = resolveBackends(world, proxy, kept);
  return { ...kept, resolved, nodes: { ...nodes, chosen }, takenNodes: conflicts[0]?.refusal };
}

function nodesOf(world: World, { proxy, podNodes }: Subject, { spec, terms }: Kept): ChosenNodes {
  return chooseNodes(world.nodes, { ...proxy, podNodes }, withNodeSelector(spec, terms));
}

function claimOf({ key }: ObservedProxy, spec: QuicProxySpec, nodes: Iterable<string>): Claim {
  return { key, spec, nodes: new Set(nodes) };
}

/** Creation times have whole seconds; the name decides between two of the same. */
function byAge(a: ObservedProxy, b: ObservedProxy): number {
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? -1 : 1;
  return a.key < b.key ? -1 : 1;
}
