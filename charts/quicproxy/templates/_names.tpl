{{- define "quicproxy.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of everything that is the operator's. */}}
{{- define "quicproxy.operator" -}}
{{ include "quicproxy.fullname" . }}-operator
{{- end -}}

{{- define "quicproxy.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "quicproxy.operator" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end -}}

{{/* The label app.kubernetes.io/managed-by=quicproxy-operator is for what the operator makes; nothing here has it. */}}
{{- define "quicproxy.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "quicproxy.selector" . }}
{{- end -}}

{{- define "quicproxy.selector" -}}
app.kubernetes.io/name: quicproxy
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "quicproxy.image" -}}
{{- $tag := .Values.image.tag -}}
{{- if not (or $tag .Values.image.digest) }}{{ $tag = .Chart.AppVersion }}{{ end -}}
{{ .Values.image.repository }}{{ with $tag }}:{{ . }}{{ end }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end -}}

{{/* Of every container of the chart: what the Pod Security Standard "restricted" asks for. */}}
{{- define "quicproxy.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{- define "quicproxy.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{/* Labels of the nodes that can run the image. */}}
{{- define "quicproxy.imageNodes" -}}
kubernetes.io/os: linux
{{- with .Values.image.architecture }}
kubernetes.io/arch: {{ . }}
{{- end }}
{{- end -}}
