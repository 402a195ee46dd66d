import { WEIGHT_UNITS } from "../contract/layout.ts";

/** Backends that get fewer new flows than their weight says, as `address:port`. */
export interface NewFlowShares {
  /** None. */
  readonly drained: ReadonlySet<string>;
  /** TRIAL_SHARE of their weight. */
  readonly onTrial: ReadonlySet<string>;
}

export const WHOLE_SHARES: NewFlowShares = { drained: new Set(), onTrial: new Set() };

/** Of a backend that is tried again without a sign of life (docs/adr/0033): the least that a contract can say. */
export const TRIAL_SHARE = 1 / WEIGHT_UNITS;

/** Weights by what a look at the backends found. Pure. `nameOf`: a backend as `address:port`. */
export function shareWeights<Backend extends { readonly weight: number }>(
  backends: readonly Backend[],
  { drained, onTrial }: NewFlowShares,
  nameOf: (backend: Backend) => string,
): readonly Backend[] {
  if (drained.size + onTrial.size === 0) return backends;
  return backends.map((backend) => {
    const name = nameOf(backend);
    if (drained.has(name)) return { ...backend, weight: 0 };
    return onTrial.has(name) ? { ...backend, weight: backend.weight * TRIAL_SHARE } : backend;
  });
}

export function areSameShares(one: NewFlowShares, other: NewFlowShares): boolean {
  return isSame(one.drained, other.drained) && isSame(one.onTrial, other.onTrial);
}

function isSame(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return one.size === other.size && [...one].every((name) => other.has(name));
}
