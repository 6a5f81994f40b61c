{{- /* The first part of all names of the release's own objects. */ -}}
{{- define "entropool.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if not .Values.nameOverride }}
{{- "entropool" }}
{{- else if contains .Values.nameOverride .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end -}}

{{- /* Labels of every object. The name stays whatever objects are called: kubectl entropool finds agents by it. */ -}}
{{- define "entropool.labels" -}}
{{- include "entropool.mergedLabels" (list . dict) }}
{{- end -}}

{{- /* Labels of a pod: (list ROOT COMPONENT PODLABELS) */ -}}
{{- define "entropool.podLabels" -}}
{{- include "entropool.mergedLabels" (list (index . 0) (merge (dict "app.kubernetes.io/component" (index . 1)) (index . 2))) }}
{{- end -}}

{{- define "entropool.mergedLabels" -}}
{{- $root := index . 0 -}}
{{- $own := dict
  "app.kubernetes.io/name" "entropool"
  "app.kubernetes.io/instance" $root.Release.Name
  "app.kubernetes.io/version" $root.Chart.AppVersion
  "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- toYaml (merge $own (index . 1) $root.Values.commonLabels) }}
{{- end -}}

{{- /* What selects a component's pods: (list ROOT COMPONENT) */ -}}
{{- define "entropool.selector" -}}
{app.kubernetes.io/instance: {{ (index . 0).Release.Name }}, app.kubernetes.io/component: {{ index . 1 }}}
{{- end -}}

{{- /* (list ROOT IMAGE) */ -}}
{{- define "entropool.image" -}}
{{- $root := index . 0 -}}
{{- with $root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ index . 1 }}
{{- end -}}

{{- define "entropool.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Where a pod may run: (list VALUES-OF-THE-COMPONENT) */ -}}
{{- define "entropool.placement" -}}
{{- with (index . 0).nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with (index . 0).affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with (index . 0).tolerations }}
tolerations: {{- toYaml . | nindent 0 }}
{{- end }}
{{- with (index . 0).priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- /* A strategy; rollingUpdate belongs only to the type of that name. */ -}}
{{- define "entropool.updateStrategy" -}}
{{- toYaml (eq .type "RollingUpdate" | ternary . (omit . "rollingUpdate")) }}
{{- end -}}

{{- /* The Secret with the controller's certificate; empty where the controller runs its own authority. */ -}}
{{- define "entropool.tlsSecret" -}}
{{- if and .Values.tls.existingSecret .Values.tls.certManager.enabled }}
{{- fail "tls.existingSecret and tls.certManager.enabled exclude each other: set one of them" }}
{{- end }}
{{- if .Values.tls.certManager.enabled }}
{{- include "entropool.fullname" . }}-tls
{{- else }}
{{- .Values.tls.existingSecret }}
{{- end }}
{{- end -}}

{{- /*
Whether Helm itself installs, and not a tool that applies rendered manifests. Helm's hooks are rendered only then: to
kubectl apply, ArgoCD and Flux' Kustomizations they would be objects like any other. Without a cluster, lookup finds
nothing.
*/ -}}
{{- define "entropool.byHelm" -}}
{{- if lookup "v1" "Namespace" "" "kube-system" }}true{{ end }}
{{- end -}}
