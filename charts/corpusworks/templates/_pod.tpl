{{/* What every pod has. */}}
{{- define "corpusworks.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "corpusworks.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* Environment of a container that runs a command of ours: where the settings are, and the keys of the store. */}}
{{- define "corpusworks.environment" -}}
- {name: CORPUSWORKS_CONFIG, value: /etc/corpusworks/river/settings.yaml}
- {name: HOME, value: /tmp}
{{- $store := .Values.store }}
{{- if eq $store.mode "builtin" }}
- {name: AWS_ENDPOINT_URL, value: "http://{{ include "corpusworks.host" (dict "root" . "server" "s3proxy") }}:9000"}
- {name: AWS_REGION, value: us-east-1}
{{- else }}
- {name: AWS_REGION, value: {{ $store.external.region | quote }}}
{{- with $store.external.endpoint }}
- {name: AWS_ENDPOINT_URL, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- with include "corpusworks.keysSecret" . }}
{{- $secret := . }}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ . }}}}
{{- end }}
{{- end }}
{{- end -}}

{{/* The Secret with the store's keys, or nothing. */}}
{{- define "corpusworks.keysSecret" -}}
{{- if eq .Values.store.mode "builtin" -}}{{ include "corpusworks.fullname" . }}-builtin
{{- else -}}{{ .Values.store.external.keysSecret }}{{- end -}}
{{- end -}}

{{- define "corpusworks.mounts" -}}
- {name: river, mountPath: /etc/corpusworks/river, readOnly: true}
- {name: secrets, mountPath: /etc/corpusworks/secrets, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- end -}}

{{/* Volumes: (dict "root" $ "config" NAME) */}}
{{- define "corpusworks.volumes" -}}
{{- $root := .root -}}
{{- $kafka := $root.Values.kafka -}}{{- $redis := $root.Values.redis -}}
{{- $builtin := printf "%s-builtin" (include "corpusworks.fullname" $root) -}}
- name: river
  configMap: {name: {{ .config }}}
- name: tmp
  emptyDir: {}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- if eq $kafka.mode "builtin" }}
      - secret: {name: {{ $builtin }}, items: [{key: kafka, path: kafka/password}]}
      {{- else if eq $kafka.mode "strimzi" }}
      - secret: {name: {{ include "corpusworks.fullname" $root }}-cluster-ca-cert, items: [{key: ca.crt, path: kafka-ca/ca.crt}]}
      - secret: {name: {{ include "corpusworks.fullname" $root }}, items: [{key: user.crt, path: kafka-tls/tls.crt}, {key: user.key, path: kafka-tls/tls.key}]}
      {{- else }}
      {{- include "corpusworks.externalSecrets" (dict "of" "kafka" "given" $kafka.external) | nindent 6 }}
      {{- end }}
      {{- if eq $redis.mode "builtin" }}
      - secret: {name: {{ $builtin }}, items: [{key: redis, path: redis/password}]}
      {{- else }}
      {{- include "corpusworks.externalSecrets" (dict "of" "redis" "given" $redis.external) | nindent 6 }}
      {{- end }}
      {{- if eq $root.Values.triton.mode "external" }}
      {{- include "corpusworks.externalSecrets" (dict "of" "triton" "given" $root.Values.triton.external) | nindent 6 }}
      {{- end }}
{{- end -}}

{{- define "corpusworks.externalSecrets" -}}
{{- $password := .given.passwordSecret | default dict -}}
{{- if $password.name }}
- secret: {name: {{ $password.name }}, items: [{key: {{ $password.key }}, path: {{ .of }}/password}]}
{{- end }}
{{- if .given.caSecret.name }}
- secret: {name: {{ .given.caSecret.name }}, items: [{key: {{ .given.caSecret.key }}, path: {{ .of }}-ca/ca.crt}]}
{{- end }}
{{- with .given.certificateSecret }}
- secret: {name: {{ . }}, items: [{key: tls.crt, path: {{ $.of }}-tls/tls.crt}, {key: tls.key, path: {{ $.of }}-tls/tls.key}]}
{{- end }}
{{- end -}}

{{/* A pod that runs one command of ours to its end: (dict "root" $ "args" LIST "config" NAME "component" NAME) */}}
{{- define "corpusworks.commandPod" -}}
metadata:
  labels:
    {{- include "corpusworks.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  restartPolicy: {{ .restart | default "OnFailure" }}
  {{- include "corpusworks.podSecurity" .root | nindent 2 }}
  {{- if .account }}
  serviceAccountName: {{ include "corpusworks.fullname" .root }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ include "corpusworks.image" (dict "root" .root "target" "core") }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      command: [corpusworks]
      args: {{ toJson .args }}
      {{- with .secret }}
      envFrom:
        - secretRef: {name: {{ . }}}
      {{- end }}
      env:
        {{- include "corpusworks.environment" .root | nindent 8 }}
      resources:
        {{- toYaml (.resources | default (dict "requests" (dict "cpu" "50m" "memory" "128Mi") "limits" (dict "memory" "1Gi"))) | nindent 8 }}
      {{- include "corpusworks.containerSecurity" .root | nindent 6 }}
      volumeMounts:
        {{- include "corpusworks.mounts" .root | nindent 8 }}
        {{- if .volume }}
        - {name: data, mountPath: /data, readOnly: true}
        {{- end }}
  volumes:
    {{- include "corpusworks.volumes" (dict "root" .root "config" .config) | nindent 4 }}
    {{- with .volume }}
    - name: data
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end -}}
