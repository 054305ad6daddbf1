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
