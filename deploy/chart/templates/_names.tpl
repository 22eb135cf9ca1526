{{/* What objects are called, and how they are told apart. */}}

{{- define "adit.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{/* 52 of 63 characters: names that are made from it end in "-admin" and the like. */}}
{{- define "adit.fullname" -}}
{{- $name := include "adit.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* Cluster-wide objects of releases of one name in two namespaces must not collide. */}}
{{- define "adit.clusterName" -}}
{{ include "adit.fullname" . }}-{{ .Release.Namespace }}
{{- end }}

{{- define "adit.serviceAccount" -}}
{{ default (include "adit.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "adit.ingressClass" -}}
{{ default (include "adit.fullname" .) .Values.ingressClass.name }}
{{- end }}

{{- define "adit.image" -}}
{{- with .Values.image.registry }}{{ . }}/{{ end }}{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}

{{/* They never change during a release's life: a Deployment's selector cannot. */}}
{{- define "adit.selectorLabels" -}}
app.kubernetes.io/name: {{ include "adit.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Arguments: the root, and the labels of one object that come on top. */}}
{{- define "adit.labels" -}}
{{- $root := index . 0 -}}
{{- $fixed := fromYaml (include "adit.selectorLabels" $root) -}}
{{- $_ := set $fixed "app.kubernetes.io/version" $root.Chart.AppVersion -}}
{{- $_ := set $fixed "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $_ := set $fixed "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version) -}}
{{- toYaml (merge $fixed (index . 1) (deepCopy $root.Values.commonLabels)) -}}
{{- end }}

{{/* Of pods: without what changes with each version of the chart, since that would roll them. */}}
{{- define "adit.podLabels" -}}
{{- $fixed := fromYaml (include "adit.selectorLabels" .) -}}
{{- toYaml (merge $fixed (deepCopy .Values.deployment.podLabels) (deepCopy .Values.commonLabels)) -}}
{{- end }}

{{/* The name of an entry point's port. */}}
{{- define "adit.portName" -}}
{{ ternary "admin" . (eq . "traefik") }}
{{- end }}

{{/* The entry point of /metrics, or nothing. */}}
{{- define "adit.metricsEntryPoint" -}}
{{- with .Values.metrics.prometheus }}{{ .entryPoint }}{{ end -}}
{{- end }}

{{/* The Service whose addresses go into the status of Ingresses, namespace/name, or nothing. */}}
{{- define "adit.publishedService" -}}
{{- with .Values.providers.kubernetesIngress -}}
{{- if and .enabled .publishedService.enabled -}}
{{ default (printf "%s/%s" $.Release.Namespace (include "adit.fullname" $)) .publishedService.pathOverride }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* As JSON, the namespaces that are watched; none is all. */}}
{{- define "adit.namespaces" -}}
{{- $named := .Values.providers.kubernetesIngress.namespaces -}}
{{- if .Values.rbac.namespaced -}}
{{- $named = prepend $named .Release.Namespace | uniq -}}
{{- end -}}
{{- toJson $named -}}
{{- end }}
