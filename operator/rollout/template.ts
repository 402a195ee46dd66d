import type { KubernetesObject, ObjectMeta } from "../../kube/objects.ts";
import { RESTARTED_AT_ANNOTATION, TEMPLATE_ANNOTATION } from "../names.ts";

/**
 * What tells templates apart, of a template or of a pod made of it. Marks in annotations, no comparison of pods with
 * templates: defaults and admission webhooks change pods on their way, and a pod that never is what it should be would be
 * replaced for ever. `kubectl rollout restart` writes its own mark. Undefined: not marked, so of an operator before this.
 */
export function templateOf({ annotations = {} }: Pick<ObjectMeta, "annotations">): string | undefined {
  const mark = annotations[TEMPLATE_ANNOTATION];
  const restartedAt = annotations[RESTARTED_AT_ANNOTATION];
  return mark === undefined || restartedAt === undefined ? mark : `${mark} ${restartedAt}`;
}

/** `mark` undefined: somebody took it off, and no pod can be told from another. */
export interface PresentTemplate {
  readonly mark: string | undefined;
}

/**
 * The template that a DaemonSet makes pods of. Undefined: there is none yet, or its controller has not read the present one,
 * and a pod that is deleted now may come back as it was.
 */
export function presentTemplate(daemonSet: KubernetesObject | undefined): PresentTemplate | undefined {
  if (daemonSet === undefined) return undefined;
  const { metadata, spec, status } = daemonSet as KubernetesObject & {
    spec?: { template?: { metadata?: ObjectMeta } };
    status?: { observedGeneration?: number };
  };
  const { generation = 1 } = metadata;
  if ((status?.observedGeneration ?? 0) < generation) return undefined;
  return { mark: templateOf(spec?.template?.metadata ?? {}) };
}
