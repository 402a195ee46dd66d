{{/*
A ValidatingAdmissionPolicy that is in force, but for its spec: include it with (list $ name). Pod Security and RBAC know
kinds and verbs; what an object may say is for these to judge.
*/}}
{{- define "quicproxy.policyHead" -}}
{{- $ := first . -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ last . }}
  labels: {{- include "quicproxy.labels" $ | nindent 4 }}
spec:
  policyName: {{ last . }}
  validationActions: [Deny]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ last . }}
  labels: {{- include "quicproxy.labels" $ | nindent 4 }}
{{- end -}}

{{- define "quicproxy.byTheOperator" -}}
- name: by-the-operator
  expression: request.userInfo.username == 'system:serviceaccount:{{ .Release.Namespace }}:{{ include "quicproxy.serviceAccount" . }}'
{{- end -}}

{{/* As in operator/plan/capabilities.ts. */}}
{{- define "quicproxy.proxyCapabilities" -}}
{{- $sockets := list "NET_BIND_SERVICE" -}}
{{- ternary (concat $sockets (list "BPF" "NET_ADMIN" "NET_RAW")) $sockets (eq .Values.proxy.capabilities "Kernel") | toJson -}}
{{- end -}}
