{{/* Values that are well-formed each and wrong together. The schema refuses all others. */}}

{{- define "adit.refusals" -}}
{{- include "adit.refusedUpdates" . -}}
{{- $metrics := include "adit.metricsEntryPoint" . -}}
{{- if and $metrics (not (hasKey .Values.ports $metrics)) -}}
{{ fail (printf "metrics.prometheus.entryPoint is %s, and there is no ports.%s: add ports.%s.port" $metrics $metrics $metrics) }}
{{- end -}}
{{- with get .Values.ports "metrics" -}}
{{- if ne $metrics "metrics" -}}
{{ fail "ports.metrics would serve routes to clients: set metrics.prometheus.entryPoint to metrics, or remove ports.metrics" }}
{{- end -}}
{{- if or .asDefault .http .forwardedHeaders .proxyProtocol -}}
{{ fail "ports.metrics has settings for clients' requests, and would serve routes: remove asDefault, http, forwardedHeaders and proxyProtocol" }}
{{- end -}}
{{- end -}}
{{- if hasKey .Values.ports "admin" -}}
{{ fail "ports.admin: the port of ports.traefik is called admin, so no other can be" }}
{{- end -}}
{{- range $key := list "type" "selector" "ports" -}}
{{- if hasKey $.Values.service.spec $key -}}
{{ fail (printf "service.spec.%s: the chart says it; use service.type and ports" $key) }}
{{- end -}}
{{- end -}}
{{- $taken := dict -}}
{{- range $name, $port := .Values.ports -}}
{{- with get $taken (toString $port.port) -}}
{{ fail (printf "ports.%s.port and ports.%s.port are both %d" . $name (int $port.port)) }}
{{- end -}}
{{- $_ := set $taken (toString $port.port) $name -}}
{{- if and $port.hostIP (kindIs "invalid" $port.hostPort) (not $.Values.hostNetwork) -}}
{{ fail (printf "ports.%s.hostIP is the address of a hostPort, and there is neither that nor hostNetwork" $name) }}
{{- end -}}
{{- end -}}
{{- with .Values.providers.kubernetesIngress -}}
{{- if and .enabled .publishedService.enabled (not .publishedService.pathOverride) (not $.Values.service.enabled) -}}
{{ fail "service.enabled is false, so no Service has an address for the status of Ingresses: name one in providers.kubernetesIngress.publishedService.pathOverride, or set publishedService.enabled to false" }}
{{- end -}}
{{- $class := include "adit.ingressClass" $ -}}
{{- if and $.Values.ingressClass.enabled .ingressClass (ne .ingressClass $class) -}}
{{ fail (printf "the IngressClass would be %s, and providers.kubernetesIngress.ingressClass serves %s alone: set ingressClass.name to %s, or ingressClass.enabled to false" $class .ingressClass .ingressClass) }}
{{- end -}}
{{- if and $.Values.rbac.namespaced $.Values.ingressClass.enabled (not .ingressClass) (not (has $class (list "adit" "traefik"))) -}}
{{ fail (printf "with rbac.namespaced classes are matched by name, and %s is none that adit knows: set providers.kubernetesIngress.ingressClass to %s" $class $class) }}
{{- end -}}
{{- end -}}
{{- if and .Values.rbac.namespaced .Values.rbac.nodes -}}
{{ fail "rbac.nodes and rbac.namespaced exclude each other: Nodes belong to no namespace" }}
{{- end -}}
{{- with .Values.metrics.prometheus -}}
{{- if and .serviceMonitor.enabled (not $.Values.adminService.enabled) -}}
{{ fail "metrics.prometheus.serviceMonitor finds metrics by the admin Service: set adminService.enabled to true" }}
{{- end -}}
{{- if and .prometheusRule.enabled (not .serviceMonitor.enabled) -}}
{{ fail "metrics.prometheus.prometheusRule is about the job of the ServiceMonitor: set metrics.prometheus.serviceMonitor.enabled to true" }}
{{- end -}}
{{- end -}}
{{- with .Values.tracing -}}
{{- $more := omit . "otlp" "addInternals" "sampleRate" | values | compact -}}
{{- if and (not .otlp.enabled) (or $more .addInternals (not (kindIs "invalid" .sampleRate)) .otlp.http.enabled .otlp.grpc.enabled) -}}
{{ fail "tracing says what is traced or where spans go, and nothing is traced: set tracing.otlp.enabled to true" }}
{{- end -}}
{{- if and .otlp.http.enabled .otlp.grpc.enabled -}}
{{ fail "tracing.otlp.http.enabled and tracing.otlp.grpc.enabled exclude each other: spans go one way" }}
{{- end -}}
{{- range $way := list "http" "grpc" -}}
{{- with get $.Values.tracing.otlp $way -}}
{{- if and (not .enabled) (or .endpoint .headers .insecure .tls.ca .tls.cert .tls.key .tls.insecureSkipVerify) -}}
{{ fail (printf "tracing.otlp.%s says how spans are sent, and they are not sent so: set tracing.otlp.%s.enabled to true" $way $way) }}
{{- end -}}
{{- if and .tls.cert (not .tls.key) -}}
{{ fail (printf "tracing.otlp.%s.tls.cert is nothing without its key: set tracing.otlp.%s.tls.key" $way $way) }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.autoscaling -}}
{{- if .enabled -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{ fail (printf "autoscaling.minReplicas is %d and maxReplicas %d" (int .minReplicas) (int .maxReplicas)) }}
{{- end -}}
{{- if not (or .targetCPU .metrics) -}}
{{ fail "autoscaling aims at nothing: set autoscaling.targetCPU or autoscaling.metrics" }}
{{- end -}}
{{- if and .targetCPU (not (dig "requests" "cpu" "" $.Values.resources)) -}}
{{ fail "autoscaling.targetCPU is a share of resources.requests.cpu, and there is none" }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .Values.podDisruptionBudget -}}
{{- if and .enabled (not (kindIs "invalid" .maxUnavailable)) (not (kindIs "invalid" .minAvailable)) -}}
{{ fail "podDisruptionBudget has both maxUnavailable and minAvailable, and Kubernetes takes one" }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "adit.refusedUpdates" -}}
{{- $kind := .Values.deployment.kind -}}
{{- with .Values.updateStrategy -}}
{{- $other := dict "Recreate" "Deployment" "OnDelete" "DaemonSet" -}}
{{- if ne $kind (get $other .type | default $kind) -}}
{{ fail (printf "updateStrategy.type %s is for a %s, and deployment.kind is %s" .type (get $other .type) $kind) }}
{{- end -}}
{{- $held := $.Values.hostNetwork -}}
{{- range $.Values.ports -}}
{{- $held = or $held .hostPort -}}
{{- end -}}
{{- if and $held (eq $kind "DaemonSet") (eq .type "RollingUpdate") (not (has (toString .rollingUpdate.maxSurge) (list "0" "0%"))) -}}
{{ fail "a new pod cannot have the node's ports while the old one does: set updateStrategy.rollingUpdate.maxUnavailable to 1 and maxSurge to 0" }}
{{- end -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (eq $kind "DaemonSet") -}}
{{ fail "autoscaling.enabled is for a Deployment, and deployment.kind is DaemonSet" }}
{{- end -}}
{{- end }}
