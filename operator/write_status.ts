import type { ApiClient } from "../kube/client.ts";
import { hasStatus } from "../kube/errors.ts";
import type { KubernetesObject } from "../kube/objects.ts";
import { apiVersionOf, type Resource } from "../kube/resources.ts";
import type { ObservedWorld } from "./apply.ts";
import { STATUS_FIELD_MANAGER } from "./names.ts";

interface Place {
  readonly namespace: string;
  readonly name: string;
}

/** Applies what the operator says in the status of an object, and takes the answer. False: the object is gone. */
export async function writeStatus(
  { client, caches }: { readonly client: Pick<ApiClient, "apply">; readonly caches: Pick<ObservedWorld, "assume"> },
  resource: Resource,
  { namespace, name }: Place,
  status: object,
): Promise<boolean> {
  const object = { apiVersion: apiVersionOf(resource), kind: resource.kind, metadata: { namespace, name }, status };
  const options = { resource, fieldManager: STATUS_FIELD_MANAGER, subresource: "status" } as const;
  try {
    caches.assume(resource, await client.apply(object as KubernetesObject, options));
    return true;
  } catch (error) {
    if (hasStatus(error, 404)) return false;
    throw error;
  }
}
