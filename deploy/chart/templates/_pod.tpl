{{/* The pods, whatever replaces them. */}}

{{- define "adit.podAnnotations" -}}
{{- $annotations := dict -}}
{{- with .Values.metrics.prometheus -}}
{{- if not .serviceMonitor.enabled -}}
{{- $_ := set $annotations "prometheus.io/scrape" "true" -}}
{{- $_ := set $annotations "prometheus.io/port" (toString (get $.Values.ports .entryPoint).port) -}}
{{- $_ := set $annotations "prometheus.io/path" "/metrics" -}}
{{- end -}}
{{- end -}}
{{- with .Values.deployment.podAnnotations -}}
{{- $annotations = merge (fromYaml (tpl (toYaml .) $)) $annotations -}}
{{- end -}}
{{- with $annotations }}{{ toYaml . }}{{ end -}}
{{- end }}

{{- define "adit.pod" -}}
serviceAccountName: {{ include "adit.serviceAccount" . }}
automountServiceAccountToken: true
terminationGracePeriodSeconds: {{ include "adit.terminationGracePeriodSeconds" . }}
{{- with .Values.deployment.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.hostNetwork }}
hostNetwork: true
{{- end }}
{{- with .Values.deployment.dnsPolicy }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.deployment.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.deployment.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.deployment.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range fromYamlArray (tpl (toYaml .) $) }}
  {{- $pods := dict "labelSelector" (dict "matchLabels" (fromYaml (include "adit.selectorLabels" $))) }}
  - {{ toYaml (merge . (ternary dict $pods (hasKey . "labelSelector"))) | indent 4 | trim }}
  {{- end }}
{{- end }}
{{- with .Values.deployment.initContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: adit
    {{- include "adit.container" . | nindent 4 }}
  {{- with .Values.deployment.additionalContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $volumes := concat (fromYamlArray (include "adit.volumes" .)) .Values.deployment.additionalVolumes }}
{{- with $volumes }}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "adit.container" -}}
image: {{ include "adit.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  {{- include "adit.arguments" . | trim | nindent 2 }}
env:
  {{- $named := list }}
  {{- range .Values.env }}{{ $named = append $named .name }}{{ end }}
  {{- /* Who holds the Lease, and where it is. */}}
  {{- range $name, $path := dict "POD_NAME" "metadata.name" "POD_NAMESPACE" "metadata.namespace" }}
  {{- if not (has $name $named) }}
  - name: {{ $name }}
    valueFrom:
      fieldRef:
        fieldPath: {{ $path }}
  {{- end }}
  {{- end }}
  {{- with .Values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  {{- range $name, $port := .Values.ports }}
  - name: {{ include "adit.portName" $name }}
    containerPort: {{ int $port.port }}
    protocol: TCP
    {{- if not (kindIs "invalid" $port.hostPort) }}
    hostPort: {{ int $port.hostPort }}
    {{- end }}
    {{- with $port.hostIP }}
    hostIP: {{ . | quote }}
    {{- end }}
  {{- end }}
startupProbe:
  {{- include "adit.probe" (list . "/healthz" .Values.startupProbe) | nindent 2 }}
livenessProbe:
  {{- include "adit.probe" (list . "/healthz" .Values.livenessProbe) | nindent 2 }}
readinessProbe:
  {{- include "adit.probe" (list . "/readyz" .Values.readinessProbe) | nindent 2 }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $mounts := list }}
{{- range .Values.volumes }}
{{- $mounts = append $mounts (dict "name" (tpl .name $ | replace "." "-") "mountPath" .mountPath "readOnly" (ne .type "emptyDir")) }}
{{- end }}
{{- with concat $mounts .Values.additionalVolumeMounts }}
volumeMounts:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "adit.probe" -}}
{{- $root := index . 0 -}}
httpGet:
  {{- if and $root.Values.hostNetwork $root.Values.ports.traefik.hostIP }}
  host: {{ $root.Values.ports.traefik.hostIP | quote }}
  {{- end }}
  path: {{ index . 1 }}
  port: admin
{{- range $key, $value := index . 2 }}
{{- if $value }}
{{ $key }}: {{ int $value }}
{{- end }}
{{- end }}
{{- end }}

{{/* Names of ConfigMaps and Secrets may have dots, those of volumes may not. */}}
{{- define "adit.volumes" -}}
{{- range .Values.volumes }}
{{- $name := tpl .name $ }}
- name: {{ $name | replace "." "-" }}
  {{- if eq .type "configMap" }}
  configMap:
    name: {{ $name }}
  {{- else if eq .type "secret" }}
  secret:
    secretName: {{ $name }}
  {{- else }}
  emptyDir: {}
  {{- end }}
{{- end }}
{{- end }}
