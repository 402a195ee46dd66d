import { type BackendSet, type BackendsSpec, backendsSpecShape } from "../../crds/backends_schema.ts";

/**
 * The set of backends that these QuicProxyBackends make up, by name. Undefined: the index is not there, or not every chunk
 * that it names; since chunks never change, what is there of another set does no harm. Pure.
 */
export function assembleSet(proxy: string, objects: ReadonlyMap<string, BackendsSpec>): BackendSet | undefined {
  const index = objects.get(proxy)?.index;
  if (index === undefined) return undefined;
  const chunks = index.chunks.map((name) => objects.get(name)?.backends);
  if (chunks.includes(undefined)) return undefined;
  const { generation, removals } = index;
  return { generation, removals, backends: chunks.flatMap((backends) => backends ?? []) };
}

/** A QuicProxyBackends' spec, or what is wrong with it. */
export function readBackendsSpec(raw: unknown): { readonly spec: BackendsSpec } | { readonly fault: string } {
  const parsed = backendsSpecShape.safeParse(raw);
  if (parsed.success) return { spec: parsed.data };
  const [issue] = parsed.error.issues;
  return { fault: `spec.${issue?.path.join(".")}: allowed: ${issue?.message}` };
}
