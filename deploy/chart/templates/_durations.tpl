{{/* How long a pod may take to end. */}}

{{/* A duration, 90, "90s" or "1m30s", in seconds. Without one it is adit's own default, which is 10 s for both that are
asked for here. */}}
{{- define "adit.seconds" -}}
{{- $text := toString . -}}
{{- if or (kindIs "invalid" .) (not $text) -}}
10
{{- else if regexMatch "^[0-9]+$" $text -}}
{{ $text }}
{{- else -}}
{{- $hours := regexFind "[0-9]+h" $text | trimSuffix "h" | int -}}
{{- $minutes := regexFind "[0-9]+m" $text | trimSuffix "m" | int -}}
{{- $seconds := regexFind "[0-9]+s" $text | trimSuffix "s" | int -}}
{{ add (mul $hours 3600) (mul $minutes 60) $seconds }}
{{- end -}}
{{- end }}

{{/* What the entry points need: the longest time to accept and the longest to drain, as adit counts them. */}}
{{- define "adit.drainSeconds" -}}
{{- $accept := 0 -}}
{{- $grace := 0 -}}
{{- range $name, $port := .Values.ports -}}
{{- if ne $name "traefik" -}}
{{- $cycle := dig "transport" "lifeCycle" dict $port -}}
{{- $accept = max $accept (include "adit.seconds" (get $cycle "requestAcceptGraceTimeout")) -}}
{{- $grace = max $grace (include "adit.seconds" (get $cycle "graceTimeOut")) -}}
{{- end -}}
{{- end -}}
{{ add $accept $grace }}
{{- end }}

{{- define "adit.terminationGracePeriodSeconds" -}}
{{- $needed := include "adit.drainSeconds" . | int -}}
{{- $given := .Values.deployment.terminationGracePeriodSeconds -}}
{{- if kindIs "invalid" $given -}}
{{ add $needed 20 }}
{{- else if lt (int $given) $needed -}}
{{ fail (printf "deployment.terminationGracePeriodSeconds is %d, and the entry points may take %d s to end (requestAcceptGraceTimeout and graceTimeOut): requests in flight would be cut off. Raise it, or lower those" (int $given) $needed) }}
{{- else -}}
{{ int $given }}
{{- end -}}
{{- end }}
