import type { z } from "zod";
import { quicProxyShape } from "../../crds/schema.ts";
import { formatPath } from "./fault.ts";
import { nearest } from "./nearest.ts";

/** The part of the schema that belongs to a place in the document; undefined where anything may stand. */
export type Shape = z.core.$ZodType | undefined;

/** The shape one step further in. Undefined result: there is no such key. */
export function entryOf(shape: Shape, key: string | number): { shape: Shape } | undefined {
  const def = definition(shape);
  if (def?.type === "array") return { shape: (def as z.core.$ZodArrayDef).element };
  if (def?.type === "record") return { shape: (def as z.core.$ZodRecordDef).valueType };
  if (def?.type !== "object") return { shape: undefined };
  const { shape: fields, catchall } = def as z.core.$ZodObjectDef;
  if (Object.hasOwn(fields, key)) return { shape: fields[key] };
  return catchall === undefined ? undefined : { shape: undefined };
}

/** The names a mapping may have at this place. */
export function keysOf(shape: Shape): string[] {
  const def = definition(shape);
  return def?.type === "object" ? Object.keys((def as z.core.$ZodObjectDef).shape) : [];
}

/** In a mapping that takes any key: a key that is none of its known ones and close to one of them. */
export function isMisspelled(key: string, shape: Shape): boolean {
  const known = keysOf(shape);
  return known.length > 0 && !known.includes(key) && nearest(key, known) !== undefined;
}

/** Where a key would be right, if there is exactly one such place. */
export function elsewhere(key: string): string | undefined {
  const places = PLACES.get(key) ?? [];
  return places.length === 1 ? places[0] : undefined;
}

const PLACES = collectPlaces(quicProxyShape, [], new Map<string, string[]>());

function collectPlaces(shape: Shape, path: readonly string[], places: Map<string, string[]>): Map<string, string[]> {
  for (const key of keysOf(shape)) {
    const place = [...path, key];
    places.set(key, [...(places.get(key) ?? []), formatPath(place)]);
    collectPlaces(entryOf(shape, key)?.shape, place, places);
  }
  return places;
}

function definition(shape: Shape): z.core.$ZodTypeDef | undefined {
  let def = shape?._zod.def;
  while (def?.type === "optional" || def?.type === "default" || def?.type === "prefault") {
    def = (def as z.core.$ZodOptionalDef).innerType._zod.def;
  }
  return def;
}
