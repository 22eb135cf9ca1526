{{/* What adit may do; rbac/README.md says why. */}}

{{/* Reading what routing needs, and writing the addresses of Ingresses and Events about them. Its argument says whether IngressClasses can be
read: they belong to no namespace. */}}
{{- define "adit.rules" -}}
- apiGroups: [networking.k8s.io]
  resources: [ingresses{{ if . }}, ingressclasses{{ end }}]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
# Certificates. RBAC cannot select by type, so this reads every Secret.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch]
- apiGroups: [networking.k8s.io]
  resources: [ingresses/status]
  verbs: [update]
# Events about problems, on the Ingresses that they concern.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* Arguments: the root, the kind, the role's name, the namespace of the role or nothing. */}}
{{- define "adit.binding" -}}
{{- $root := index . 0 -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ index . 1 }}Binding
metadata:
  name: {{ index . 2 }}
  {{- with index . 3 }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "adit.labels" (list $root dict) | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ index . 1 }}
  name: {{ index . 2 }}
subjects:
  - kind: ServiceAccount
    name: {{ include "adit.serviceAccount" $root }}
    namespace: {{ $root.Release.Namespace }}
{{- end }}
