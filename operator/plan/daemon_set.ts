import { sizeBytes } from "../../crds/quantities.ts";
import type { QuicProxySpec } from "../../crds/schema.ts";
import type { KubernetesObject, ObjectMeta } from "../../kube/objects.ts";
import { RESOURCES } from "../../kube/resources.ts";
import { digestOf } from "../digest.ts";
import {
  APP_NAME,
  childLabels,
  childName,
  imageLabels,
  NAME_LABEL,
  nodeLabel,
  PROXY_LABEL,
  RESTART_ANNOTATION,
  TEMPLATE_ANNOTATION,
  WORKERS_ANNOTATION,
} from "../names.ts";
import type { ObservedProxy } from "../world.ts";
import { capabilitiesOf, lesserLevel } from "./capabilities.ts";
import { childOf, type DesiredObject, type PodOptions } from "./desired.ts";
import { keyMounts } from "./key_mounts.ts";
import { EXCLUDED } from "./nodes.ts";
import { HEALTH_SOCKET, healthMount, healthVolume, probes } from "./probes.ts";
import { podResources } from "./resources.ts";
import { type Kept, withNodeSelector } from "./terms.ts";

const LAST_GOOD_DIR = "/var/lib/quicproxy";
const LAST_GOOD_VOLUME = "last-good";

export interface PodPlan extends Kept {
  /** What workersRestart says. */
  readonly restartedFor: string | undefined;
}

/**
 * The DaemonSet of a QuicProxy. It declares no ports: on the host's network a declared port is a claim that the
 * scheduler would refuse to a second pod, and the proxy listens without it. Ports, backends and weights are not in it
 * either: they reach the running proxy by its QuicProxyNode, without a restart.
 */
export function planDaemonSet(
  proxy: ObservedProxy,
  { spec: own, terms, restartedFor }: PodPlan,
  options: PodOptions,
): DesiredObject {
  const spec = withNodeSelector(own, terms);
  const annotations = {
    [RESTART_ANNOTATION]: restartDigest(spec),
    ...(restartedFor === undefined ? {} : { [WORKERS_ANNOTATION]: restartedFor }),
  };
  const selector = { [NAME_LABEL]: APP_NAME, [PROXY_LABEL]: proxy.name };
  const pod = podSpec(proxy, { spec, terms }, options);
  const labels = childLabels(proxy.name);
  const digest = digestOf({ labels, annotations, pod });
  const content = {
    spec: {
      selector: { matchLabels: selector },
      // rollout/ replaces the pods (docs/adr/0032).
      updateStrategy: { type: "OnDelete" },
      template: { metadata: { labels, annotations: { ...annotations, [TEMPLATE_ANNOTATION]: digest } }, spec: pod },
    },
  };
  return childOf(proxy, { resource: RESOURCES.daemonSets, name: childName(proxy.name), content });
}

/** The annotation of the template that remembers a roll for more workers; undefined: there was none yet. */
export function rememberedRestart(daemonSet: KubernetesObject | undefined): string | undefined {
  const { spec } = (daemonSet ?? {}) as { spec?: { template?: { metadata?: ObjectMeta } } };
  return spec?.template?.metadata?.annotations?.[WORKERS_ANNOTATION];
}

/** The settings that the native side takes at its start only; it answers NEEDS_RESTART to a change of any. */
function restartDigest({ dataPlane }: QuicProxySpec): string {
  const { mode, batch, flowMemory, upstreamLevel, upstreamPorts, upstreamSockets } = dataPlane;
  // 64Mi and 65536Ki are the same to it.
  const flowMemoryBytes = sizeBytes(flowMemory);
  return digestOf({ mode, batch, flowMemoryBytes, upstreamLevel, upstreamPorts, upstreamSockets });
}

function podSpec(proxy: ObservedProxy, pod: Kept, options: PodOptions): object {
  const { spec, terms } = pod;
  const { imagePullSecrets } = options;
  const priorityClass = terms?.priorityClassName ?? options.priorityClass ?? "";
  const { tolerations = [] } = spec.nodes ?? {};
  return {
    serviceAccountName: childName(proxy.name),
    automountServiceAccountToken: true,
    hostNetwork: true,
    dnsPolicy: "ClusterFirstWithHostNet",
    terminationGracePeriodSeconds: 10,
    nodeSelector: { ...imageLabels(options.architecture), ...spec.nodes?.selector },
    affinity: notExcluded(proxy),
    ...(tolerations.length === 0 ? {} : { tolerations }),
    ...(priorityClass === "" ? {} : { priorityClassName: priorityClass }),
    ...(imagePullSecrets.length === 0 ? {} : { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) }),
    securityContext: { seccompProfile: { type: "RuntimeDefault" } },
    containers: [container(proxy, pod, options)],
    volumes: [
      { name: LAST_GOOD_VOLUME, emptyDir: { sizeLimit: "16Mi" } },
      healthVolume,
      ...keyMounts(proxy, spec).map(({ volume }) => volume),
    ],
  };
}

/** Where spec.scaling.nodes says how many, the other nodes carry a label. */
function notExcluded({ namespace, name }: ObservedProxy): object {
  const expression = { key: nodeLabel(namespace, name), operator: "NotIn", values: [EXCLUDED] };
  const nodeSelectorTerms = [{ matchExpressions: [expression] }];
  return { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } };
}

function container(
  proxy: ObservedProxy,
  { spec, terms }: Kept,
  { image, imagePullPolicy, capabilities }: PodOptions,
): object {
  const level = lesserLevel(terms?.capabilities ?? capabilities, capabilities);
  return {
    name: "proxy",
    image,
    imagePullPolicy,
    command: ["quicproxy"],
    args: [
      "run",
      "--node-object",
      `$(POD_NAMESPACE)/${proxy.name}.$(NODE_NAME)`,
      "--last-good",
      LAST_GOOD_DIR,
      "--health-socket",
      HEALTH_SOCKET,
      "--log-format",
      "json",
    ],
    env: [
      { name: "POD_NAMESPACE", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } },
      { name: "NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
    ],
    resources: podResources(spec, terms),
    securityContext: {
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      // The kernel gives added capabilities to UID 0 only, unless the program carries them as file capabilities.
      runAsUser: 0,
      capabilities: { drop: ["ALL"], add: capabilitiesOf(level) },
    },
    volumeMounts: [
      { name: LAST_GOOD_VOLUME, mountPath: LAST_GOOD_DIR },
      healthMount,
      ...keyMounts(proxy, spec).map(({ mount }) => mount),
    ],
    terminationMessagePolicy: "FallbackToLogsOnError",
    ...probes,
  };
}
