{{/* adit's arguments, as a YAML list: what differs from its own defaults. */}}

{{- define "adit.arguments" -}}
{{- range $name, $port := .Values.ports }}
{{- if eq $name "traefik" }}
{{- $address := include "adit.address" (list $ $port) }}
{{- if ne $address ":8080" }}
- --entryPoints.traefik.address={{ $address }}
{{- end }}
{{- else }}
{{- include "adit.entryPoint" (list $ $name $port) }}
{{- end }}
{{- end }}
{{- with .Values.providers.kubernetesIngress }}
{{- if .enabled }}
- --providers.kubernetesingress=true
{{- include "adit.provider" (list $ .) }}
{{- end }}
{{- end }}
{{- if ne .Values.hostOwnership "shared" }}
- --hostOwnership={{ .Values.hostOwnership }}
{{- end }}
{{- with .Values.tlsStore.default.defaultCertificate.secretName }}
- --tls.defaultCertificate={{ $.Release.Namespace }}/{{ . }}
{{- end }}
- --ping=true
{{- include "adit.pages" . }}
{{- include "adit.logs" . }}
{{- include "adit.tracing" . }}
{{- range .Values.additionalArguments }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{/* On the nodes' network it is adit that hostIP must be told to: there is nothing in between. */}}
{{- define "adit.address" -}}
{{- $root := index . 0 -}}
{{- with index . 1 -}}
{{- $host := ternary (default "" .hostIP) "" $root.Values.hostNetwork -}}
{{ contains ":" $host | ternary (printf "[%s]" $host) $host }}:{{ int .port }}
{{- end -}}
{{- end }}

{{- define "adit.entryPoint" -}}
{{- $root := index . 0 -}}
{{- $port := index . 2 -}}
{{- $flag := printf "--entryPoints.%s" (index . 1) }}
- {{ $flag }}.address={{ include "adit.address" (list $root $port) }}
{{- if $port.asDefault }}
- {{ $flag }}.asDefault=true
{{- end }}
{{- if dig "http" "tls" "enabled" false $port }}
- {{ $flag }}.http.tls=true
{{- end }}
{{- with dig "http" "redirections" "entryPoint" dict $port }}
{{- if .to }}
{{- $to := .to }}
{{- if not (hasPrefix ":" $to) }}
{{- $target := get $root.Values.ports $to }}
{{- if not $target }}
{{- fail (printf "ports.%s.http.redirections.entryPoint.to is %s, and there is no ports.%s; a port is written :443" (index $ 1) $to $to) }}
{{- end }}
{{- /* Clients know the Service's port; the entry point's own would lead them astray. */}}
{{- $to = printf ":%d" (int (default $target.port $target.exposedPort)) }}
{{- end }}
- {{ $flag }}.http.redirections.entryPoint.to={{ $to }}
{{- with .scheme }}
- {{ $flag }}.http.redirections.entryPoint.scheme={{ . }}
{{- end }}
{{- if eq (toString .permanent) "false" }}
- {{ $flag }}.http.redirections.entryPoint.permanent=false
{{- end }}
{{- if not (kindIs "invalid" .priority) }}
- {{ $flag }}.http.redirections.entryPoint.priority={{ int64 .priority }}
{{- end }}
{{- end }}
{{- end }}
{{- range $what := list "forwardedHeaders" "proxyProtocol" }}
{{- with dig $what "trustedIPs" list $port }}
- {{ $flag }}.{{ $what }}.trustedIPs={{ join "," . }}
{{- end }}
{{- if dig $what "insecure" false $port }}
- {{ $flag }}.{{ $what }}.insecure=true
{{- end }}
{{- end }}
{{- $transport := dig "transport" dict $port }}
{{- range $group, $keys := dict "respondingTimeouts" (list "readTimeout" "writeTimeout" "idleTimeout") "lifeCycle" (list "requestAcceptGraceTimeout" "graceTimeOut") }}
{{- range $key := $keys }}
{{- $value := dig $group $key nil $transport }}
{{- if not (kindIs "invalid" $value) }}
- {{ $flag }}.transport.{{ $group }}.{{ $key }}={{ $value }}
{{- end }}
{{- end }}
{{- end }}
{{- if not (kindIs "invalid" $transport.keepAliveMaxRequests) }}
- {{ $flag }}.transport.keepAliveMaxRequests={{ int64 $transport.keepAliveMaxRequests }}
{{- end }}
{{- if not (kindIs "invalid" $transport.keepAliveMaxTime) }}
- {{ $flag }}.transport.keepAliveMaxTime={{ $transport.keepAliveMaxTime }}
{{- end }}
{{- range $key := list "metrics" "accessLogs" "tracing" }}
{{- if not (dig "observability" $key true $port) }}
- {{ $flag }}.observability.{{ $key }}=false
{{- end }}
{{- end }}
{{- end }}

{{- define "adit.provider" -}}
{{- $root := index . 0 }}
{{- with index . 1 }}
{{- with fromJsonArray (include "adit.namespaces" $root) }}
- --providers.kubernetesingress.namespaces={{ join "," . }}
{{- end }}
{{- if $root.Values.rbac.namespaced }}
- --providers.kubernetesingress.disableclusterscoperesources=true
{{- end }}
{{- with .ingressClass }}
- --providers.kubernetesingress.ingressclass={{ . }}
{{- end }}
{{- with .labelSelector }}
- {{ printf "--providers.kubernetesingress.labelselector=%s" . | quote }}
{{- end }}
{{- with include "adit.publishedService" $root }}
- --providers.kubernetesingress.ingressendpoint.publishedservice={{ . }}
{{- end }}
{{- if .allowExternalNameServices }}
- --providers.kubernetesingress.allowexternalnameservices=true
{{- end }}
{{- if .nativeLBByDefault }}
- --providers.kubernetesingress.nativelbbydefault=true
{{- end }}
{{- if not .strictPrefixMatching }}
- --providers.kubernetesingress.strictprefixmatching=false
{{- end }}
{{- end }}
{{- end }}

{{- define "adit.pages" -}}
{{- with .Values.metrics }}
{{- with .prometheus }}
- --metrics.prometheus=true
{{- if ne .entryPoint "traefik" }}
- --metrics.prometheus.entryPoint={{ .entryPoint }}
{{- end }}
{{- if not .addEntryPointsLabels }}
- --metrics.prometheus.addEntryPointsLabels=false
{{- end }}
{{- if .addRoutersLabels }}
- --metrics.prometheus.addRoutersLabels=true
{{- end }}
{{- if not .addServicesLabels }}
- --metrics.prometheus.addServicesLabels=false
{{- end }}
{{- with .buckets }}
- --metrics.prometheus.buckets={{ . }}
{{- end }}
{{- end }}
{{- if .addInternals }}
- --metrics.addInternals=true
{{- end }}
{{- end }}
{{- with .Values.api }}
{{- if .insecure }}
- --api.insecure=true
{{- end }}
{{- if not .dashboard }}
- --api.dashboard=false
{{- end }}
{{- with .basePath }}
- --api.basePath={{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "adit.logs" -}}
{{- with .Values.logs.general }}
{{- if ne .level "INFO" }}
- --log.level={{ .level }}
{{- end }}
{{- if ne .format "common" }}
- --log.format={{ .format }}
{{- end }}
{{- with .filePath }}
- --log.filePath={{ . }}
{{- end }}
{{- if .noColor }}
- --log.noColor=true
{{- end }}
{{- end }}
{{- with .Values.logs.access }}
{{- if .enabled }}
- --accessLog=true
{{- if ne .format "common" }}
- --accessLog.format={{ .format }}
{{- end }}
{{- with .filePath }}
- --accessLog.filePath={{ . }}
{{- end }}
{{- if not (kindIs "invalid" .bufferingSize) }}
- --accessLog.bufferingSize={{ int64 .bufferingSize }}
{{- end }}
{{- if .addInternals }}
- --accessLog.addInternals=true
{{- end }}
{{- with .filters.statuscodes }}
- {{ printf "--accessLog.filters.statusCodes=%s" . | quote }}
{{- end }}
{{- if .filters.retryattempts }}
- --accessLog.filters.retryAttempts=true
{{- end }}
{{- with .filters.minduration }}
- --accessLog.filters.minDuration={{ . }}
{{- end }}
{{- if ne .fields.general.defaultmode "keep" }}
- --accessLog.fields.defaultMode={{ .fields.general.defaultmode }}
{{- end }}
{{- range $name, $mode := .fields.general.names }}
- --accessLog.fields.names.{{ $name }}={{ $mode }}
{{- end }}
{{- if ne .fields.headers.defaultmode "drop" }}
- --accessLog.fields.headers.defaultMode={{ .fields.headers.defaultmode }}
{{- end }}
{{- range $name, $mode := .fields.headers.names }}
- --accessLog.fields.headers.names.{{ $name }}={{ $mode }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "adit.tracing" -}}
{{- with .Values.tracing }}
{{- if .otlp.enabled }}
- --tracing=true
{{- if .addInternals }}
- --tracing.addInternals=true
{{- end }}
{{- with .serviceName }}
- {{ printf "--tracing.serviceName=%s" . | quote }}
{{- end }}
{{- if not (kindIs "invalid" .sampleRate) }}
- --tracing.sampleRate={{ .sampleRate }}
{{- end }}
{{- range $name, $value := .resourceAttributes }}
- {{ printf "--tracing.resourceAttributes.%s=%s" $name $value | quote }}
{{- end }}
{{- range $key := list "capturedRequestHeaders" "capturedResponseHeaders" "safeQueryParams" }}
{{- with get $.Values.tracing $key }}
- {{ printf "--tracing.%s=%s" $key (join "," .) | quote }}
{{- end }}
{{- end }}
{{- if .otlp.grpc.enabled }}
- --tracing.otlp.grpc=true
{{- if .otlp.grpc.insecure }}
- --tracing.otlp.grpc.insecure=true
{{- end }}
{{- include "adit.collector" (list "--tracing.otlp.grpc" .otlp.grpc) }}
{{- else if .otlp.http.enabled }}
{{- include "adit.collector" (list "--tracing.otlp.http" .otlp.http) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "adit.collector" -}}
{{- $flag := index . 0 }}
{{- with index . 1 }}
{{- with .endpoint }}
- {{ printf "%s.endpoint=%s" $flag . | quote }}
{{- end }}
{{- range $name, $value := .headers }}
- {{ printf "%s.headers.%s=%s" $flag $name $value | quote }}
{{- end }}
{{- $tls := .tls }}
{{- range $key := list "ca" "cert" "key" }}
{{- with get $tls $key }}
- {{ printf "%s.tls.%s=%s" $flag $key . | quote }}
{{- end }}
{{- end }}
{{- if .tls.insecureSkipVerify }}
- {{ $flag }}.tls.insecureSkipVerify=true
{{- end }}
{{- end }}
{{- end }}
