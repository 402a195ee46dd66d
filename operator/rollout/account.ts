import { RESOURCES } from "../../kube/resources.ts";
import { childName } from "../names.ts";
import type { ObservedPod, ObservedProxy, World } from "../world.ts";

/** The ServiceAccount of a QuicProxy's pods. */
export interface Account {
  readonly uid: string;
  /** Since 1970, by the clock of the API server. */
  readonly createdAtMs: number;
}

/** Undefined: there is none. */
export function accountOf(world: World, { namespace, name }: ObservedProxy): Account | undefined {
  const account = world.child(RESOURCES.serviceAccounts.kind, namespace, childName(name))?.metadata;
  if (account === undefined) return undefined;
  return { uid: account.uid ?? "", createdAtMs: Date.parse(account.creationTimestamp ?? "") || 0 };
}

/** Its token is of another account of the same name, and the API server answers 401 to it. */
export function isOlderThan({ createdAtMs }: ObservedPod, account: Account): boolean {
  return createdAtMs < account.createdAtMs;
}
