{{/* KEDA by lag, or an HPA by CPU: (dict "root" $ "process" P "name" NAME "full" NAME) */}}
{{- define "corpusworks.autoscaling" -}}
{{- $scaling := .process.values.autoscaling -}}
{{- $most := ternary (int $scaling.max) (int .process.copies) (gt (int $scaling.max) 0) -}}
{{- $labels := include "corpusworks.labels" .root -}}
{{- if eq $scaling.by "hpa" }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .full }}
  labels: {{- $labels | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: {{ .full }}}
  minReplicas: {{ $scaling.min }}
  maxReplicas: {{ $most }}
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ $scaling.cpu }}}}
  behavior:
    scaleDown:
      stabilizationWindowSeconds: {{ $scaling.stabilizationSeconds }}
      policies: [{type: Pods, value: 1, periodSeconds: 60}]
{{- else }}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ .full }}
  labels: {{- $labels | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: {{ .full }}}
  minReplicaCount: {{ $scaling.min }}
  maxReplicaCount: {{ $most }}
  pollingInterval: 15
  cooldownPeriod: {{ $scaling.stabilizationSeconds }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleUp:
          policies: [{type: Pods, value: 1, periodSeconds: 30}]  # any lag asks for all copies at once
        scaleDown:
          stabilizationWindowSeconds: {{ $scaling.stabilizationSeconds }}
          policies: [{type: Pods, value: 1, periodSeconds: 60}]
  triggers:
    - type: kafka
      metadata:
        bootstrapServers: {{ include "corpusworks.bootstrap" .root }}
        consumerGroup: {{ .name }}
        topic: {{ .process.topic }}
        lagThreshold: {{ $scaling.lag | toString | quote }}
        activationLagThreshold: {{ add1 (int .root.Values.partitions) | toString | quote }}
        offsetResetPolicy: earliest
        limitToPartitionsWithLag: "true"
        {{- if eq .root.Values.kafka.mode "strimzi" }}
        tls: enable
        {{- else if or (eq .root.Values.kafka.mode "builtin") .root.Values.kafka.external.saslMechanism }}
        sasl: {{ ternary "plaintext" (get (dict "PLAIN" "plaintext" "SCRAM-SHA-256" "scram_sha256" "SCRAM-SHA-512" "scram_sha512" "OAUTHBEARER" "oauthbearer") (.root.Values.kafka.external.saslMechanism | default "PLAIN")) (eq .root.Values.kafka.mode "builtin") }}
        tls: {{ ternary "enable" "disable" (and (eq .root.Values.kafka.mode "external") (contains "SSL" .root.Values.kafka.external.securityProtocol) (ne .root.Values.kafka.external.securityProtocol "SASL_PLAINTEXT")) }}
        {{- end }}
      authenticationRef: {name: {{ include "corpusworks.fullname" .root }}-kafka}
{{- end }}
{{- end -}}

{{/* Whether a process scales by lag. */}}
{{- define "corpusworks.byLag" -}}
{{- range (include "corpusworks.processes" . | fromYaml) -}}{{- if eq .values.autoscaling.by "keda" -}}yes{{- end -}}{{- end -}}
{{- end -}}
