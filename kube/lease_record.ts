import type { Lease } from "./client_library.ts";
import { microTime } from "./micro_time.ts";

/*
 * What is written into a Lease, and what another's says. client-go's numbers.
 */

/** How long followers leave a lease alone that is not renewed. */
export const LEASE_DURATION_MS = 15_000;
/** How long a leader goes on without a renewal: 5 s less, so that it has ended when another begins. */
export const RENEW_DEADLINE_MS = 10_000;
export const RETRY_MS = 2000;

export type LeaseSpec = NonNullable<Lease["spec"]>;

/** The lease in the hands of `identity`, taken or renewed. */
export function heldBy(identity: string, before: LeaseSpec | undefined, wallMs: number): LeaseSpec {
  const now = microTime(wallMs);
  const isRenewal = before?.holderIdentity === identity;
  const transitions = before?.leaseTransitions ?? 0;
  return {
    holderIdentity: identity,
    leaseDurationSeconds: LEASE_DURATION_MS / 1000,
    acquireTime: isRenewal ? (before.acquireTime ?? now) : now,
    renewTime: now,
    leaseTransitions: before === undefined || isRenewal ? transitions : transitions + 1,
  };
}

/** The lease in nobody's hands, for another to take at once. */
export function released(spec: LeaseSpec): LeaseSpec {
  return { ...spec, holderIdentity: "", leaseDurationSeconds: 1 };
}

/**
 * Whether another's lease has run out: by how long it has been seen unchanged on this machine's steady clock, so that clocks
 * of different machines need not agree.
 */
export class LeaseExpiry {
  #seen: { readonly text: string; readonly atMs: number } | undefined;

  hasExpired(spec: LeaseSpec, steadyMs: number): boolean {
    const text = JSON.stringify([spec.holderIdentity, spec.renewTime, spec.leaseTransitions]);
    if (this.#seen?.text !== text) this.#seen = { text, atMs: steadyMs };
    return steadyMs - this.#seen.atMs > (spec.leaseDurationSeconds ?? LEASE_DURATION_MS / 1000) * 1000;
  }
}
