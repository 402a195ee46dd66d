import type { EventsV1Event, V1Lease } from "@kubernetes/client-node";
import type { KubernetesObject } from "./objects.ts";

/*
 * All that is taken from the client library (docs/adr/0026). Only types but for KubeConfig: whoever imports that loads
 * most of the library.
 */

export { KubeConfig } from "@kubernetes/client-node";

/** As the API has it, in JSON: the library's own objects have dates in place of times. */
type Json<T> = T extends Date ? string : T extends object ? { readonly [K in keyof T]: Json<T[K]> } : T;

type TypedObject<T> = KubernetesObject & Omit<Json<T>, keyof KubernetesObject>;

export type Lease = TypedObject<V1Lease>;
export type Event = TypedObject<EventsV1Event>;
