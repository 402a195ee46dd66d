import { strung } from "../listing.ts";
import type { ObservedProxy, World } from "../world.ts";
import { resolveBackends } from "./backends.ts";
import type { Kept } from "./terms.ts";

const SHOWN_LOST_MAX = 3;

/**
 * A spec that was accepted before there were classes is fenced as soon as that takes nothing from it; until then it goes on as
 * it did, which is said. Pure.
 */
export function keptBeforeClasses(
  world: World,
  proxy: ObservedProxy,
  { present, accepted }: { readonly present: Kept; readonly accepted: Kept },
): Kept & { readonly notes: readonly string[] } {
  if (accepted.terms?.destinations !== undefined) return { ...present, notes: [] };
  const unfenced = { spec: present.spec, terms: present.terms && { ...present.terms, destinations: undefined } };
  const [now, later] = [unfenced, present].map((kept) => resolveBackends(world, proxy, kept));
  const lost = later!.leftOut.length - now!.leftOut.length;
  if (lost === 0 && later!.backends.length > 0) return { ...present, notes: [] };
  const note =
    `it was accepted before there were QuicProxyClasses and goes on so until its spec is changed; then its class allows no ` +
    `longer: ${strung(later!.leftOut, SHOWN_LOST_MAX)}`;
  return { ...unfenced, notes: lost === 0 ? [] : [note] };
}
