/** The parts that every object of the API has. */
export interface KubernetesObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** namespace/name, or the name alone where a kind has no namespace. */
export function keyOf({ metadata: { namespace, name } }: { readonly metadata: ObjectMeta }): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}
