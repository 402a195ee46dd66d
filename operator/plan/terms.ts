import { z } from "zod";
import { CAPABILITY_LEVELS, type ClassSpec, destinationsShape } from "../../crds/class_schema.ts";
import { resourcesShape } from "../../crds/resources_schema.ts";
import type { QuicProxySpec } from "../../crds/schema.ts";
import { canonicalJson } from "../digest.ts";

/*
 * What of a class is part of what runs. It is kept beside the accepted spec, so that it goes on when the class is changed or
 * gone. A class that no longer allows the spec changes at once only what protects others.
 */

const termsShape = z.object({
  className: z.string(),
  nodeSelector: z.record(z.string(), z.string()).default({}),
  resources: resourcesShape.optional(),
  priorityClassName: z.string().optional(),
  capabilities: z.enum(CAPABILITY_LEVELS).optional(),
  // Absent: what runs was accepted before there were classes, and is fenced with the next spec that is accepted.
  destinations: destinationsShape.optional(),
});

export type Terms = z.output<typeof termsShape>;

/** A spec with the terms under which it runs. */
export interface Kept {
  readonly spec: QuicProxySpec;
  /** Undefined: there is no class, and there was none when it was accepted. */
  readonly terms: Terms | undefined;
}

/** A class under its name. */
export interface NamedClass {
  readonly name: string;
  readonly spec: ClassSpec;
}

/** The terms of a spec that its class allows now. */
export function termsOf({ name, spec }: NamedClass): Terms {
  const { nodeSelector = {}, resources, priorityClassName, capabilities, destinations } = spec;
  return { className: name, nodeSelector, resources, priorityClassName, capabilities, destinations };
}

/**
 * The terms of a spec that was accepted before, under what its class says now. `held`: as it was accepted; undefined: there
 * were no classes then. `found`: undefined: there is no such class, and nothing changes.
 */
export function termsKept(held: Terms | undefined, found: NamedClass | undefined): Terms | undefined {
  if (found === undefined) return held;
  const now = termsOf(found);
  if (held === undefined) return { ...now, nodeSelector: {}, resources: undefined, destinations: undefined };
  const { nodeSelector, resources } = held;
  const destinations = held.destinations === undefined ? undefined : now.destinations;
  return { ...now, nodeSelector, resources, destinations };
}

/** As they are kept in an annotation. */
export function termsText(terms: Terms): string {
  return canonicalJson(terms);
}

/** What `termsText` wrote; undefined: nothing. Of what is none, only the narrowest is sure. */
export function readTerms(text: string | undefined): Terms | undefined {
  if (text === undefined) return undefined;
  try {
    return termsShape.parse(JSON.parse(text));
  } catch {
    return { className: "", nodeSelector: {}, capabilities: "Sockets", destinations: destinationsShape.parse({}) };
  }
}

/** A spec with the labels that the nodes must have by its class. */
export function withNodeSelector(spec: QuicProxySpec, terms: Terms | undefined): QuicProxySpec {
  const selector = terms?.nodeSelector ?? {};
  if (Object.keys(selector).length === 0) return spec;
  return { ...spec, nodes: { ...spec.nodes, selector: { ...spec.nodes?.selector, ...selector } } };
}
