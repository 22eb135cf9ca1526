{{/* The port of an entry point on a Service. Arguments: its name, and its values. */}}
{{- define "adit.servicePort" -}}
{{- $port := index . 1 -}}
{{- $name := include "adit.portName" (index . 0) -}}
name: {{ $name }}
port: {{ int (default $port.port $port.exposedPort) }}
targetPort: {{ $name }}
protocol: TCP
{{- with $port.appProtocol }}
appProtocol: {{ . }}
{{- end }}
{{- end }}
