{{- define "cdc-relay.name" -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "cdc-relay.selector" -}}
app.kubernetes.io/name: cdc-relay
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "cdc-relay.labels" -}}
{{ include "cdc-relay.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "cdc-relay.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "cdc-relay.secret" -}}
{{ .Values.existingSecret | default (include "cdc-relay.name" .) }}
{{- end -}}

{{- define "cdc-relay.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "cdc-relay.name" .) "default") }}
{{- end -}}

{{/* A standby is alive and follows nothing, so with standbys only /healthz is the same for all pods. */}}
{{- define "cdc-relay.readiness" -}}
{{ gt (int .Values.replicas) 1 | ternary "/healthz" "/readyz" }}
{{- end -}}
