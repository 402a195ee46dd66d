{{/*
What the operator does in the namespaces of QuicProxies. A server-side apply of what is not there yet asks for create and
patch. It may grant proxies no more than it has itself, hence get of quicproxynodes and patch of their status.
*/}}
{{- define "quicproxy.rulesInNamespaces" -}}
- apiGroups: [quicproxy.io]
  resources: [quicproxies]
  verbs: [list, watch, patch]
- apiGroups: [quicproxy.io]
  resources: [quicproxies/status, quicproxynodes/status]
  verbs: [patch]
- apiGroups: [quicproxy.io]
  resources: [quicproxynodes, quicproxybackends]
  verbs: [get, list, watch, create, patch, delete]
# Only ever created: the API server decides which key was first (docs/adr/0029).
- apiGroups: [quicproxy.io]
  resources: [quicproxykeys]
  verbs: [get, list, watch, create]
- apiGroups: [apps]
  resources: [daemonsets]
  verbs: [list, watch, create, patch]
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [list, watch, create, patch]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [list, watch, create, patch]
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch]
# Deleted one by one where they are to be of another template (docs/adr/0032).
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, delete]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* What has no namespace. Patch: the label of the nodes chosen where spec.scaling.nodes is set. */}}
{{- define "quicproxy.rulesOfCluster" -}}
- apiGroups: [""]
  resources: [nodes]
  verbs: [list, watch, patch]
- apiGroups: [quicproxy.io]
  resources: [quicproxyclasses]
  verbs: [list, watch]
{{- end -}}

{{/* Grants of one namespace to another, where the operator sees more than one. */}}
{{- define "quicproxy.rulesBetweenNamespaces" -}}
- apiGroups: [gateway.networking.k8s.io]
  resources: [referencegrants]
  verbs: [list, watch]
{{- end -}}

{{- define "quicproxy.subjects" -}}
- kind: ServiceAccount
  name: {{ include "quicproxy.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
