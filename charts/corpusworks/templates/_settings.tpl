{{/* Where the servers are. */}}
{{- define "corpusworks.host" -}}
{{- printf "%s-%s.%s.svc" (include "corpusworks.fullname" .root) .server .root.Release.Namespace -}}
{{- end -}}

{{- define "corpusworks.bootstrap" -}}
{{- if eq .Values.kafka.mode "external" -}}
{{- .Values.kafka.external.bootstrapServers -}}
{{- else if eq .Values.kafka.mode "strimzi" -}}
{{- printf "%s-kafka-bootstrap.%s.svc:9093" (include "corpusworks.fullname" .) .Release.Namespace -}}
{{- else -}}
{{- include "corpusworks.host" (dict "root" . "server" "kafka") -}}:9092
{{- end -}}
{{- end -}}

{{- define "corpusworks.redisUrl" -}}
{{- if eq .Values.redis.mode "external" -}}{{ .Values.redis.external.url }}
{{- else -}}redis://{{ include "corpusworks.host" (dict "root" . "server" "redis") }}:6379/0{{- end -}}
{{- end -}}

{{- define "corpusworks.storeUrl" -}}
{{- if eq .Values.store.mode "external" -}}{{ .Values.store.external.url }}{{- else -}}s3://corpusworks{{- end -}}
{{- end -}}

{{- define "corpusworks.tritonUrl" -}}
{{- if eq .Values.triton.mode "external" -}}{{ .Values.triton.external.url }}
{{- else -}}{{ include "corpusworks.host" (dict "root" . "server" "triton") }}:8001{{- end -}}
{{- end -}}

{{/* The settings file: what the chart knows, and what the values add. */}}
{{- define "corpusworks.settings" -}}
{{- $secrets := "/etc/corpusworks/secrets" -}}
{{- $kafka := dict "bootstrap_servers" (include "corpusworks.bootstrap" .) -}}
{{- if eq .Values.kafka.mode "builtin" -}}
  {{- $_ := mergeOverwrite $kafka (dict "security_protocol" "SASL_PLAINTEXT" "sasl_mechanism" "PLAIN" "sasl_username" "corpusworks" "sasl_password_file" (printf "%s/kafka/password" $secrets) "replication_factor" 1) -}}
{{- else if eq .Values.kafka.mode "strimzi" -}}
  {{- $_ := mergeOverwrite $kafka (dict "security_protocol" "SSL" "ca_file" (printf "%s/kafka-ca/ca.crt" $secrets) "certificate_file" (printf "%s/kafka-tls/tls.crt" $secrets) "key_file" (printf "%s/kafka-tls/tls.key" $secrets) "replication_factor" (min 3 .Values.kafka.strimzi.replicas)) -}}
{{- else -}}
  {{- $given := .Values.kafka.external -}}
  {{- $_ := mergeOverwrite $kafka (dict "security_protocol" $given.securityProtocol "replication_factor" $given.replicationFactor) -}}
  {{- with $given.saslMechanism -}}{{- $_ := set $kafka "sasl_mechanism" . -}}{{- end -}}
  {{- with $given.username -}}{{- $_ := set $kafka "sasl_username" . -}}{{- end -}}
  {{- if $given.passwordSecret.name -}}
    {{- $_ := set $kafka (ternary "oauth_token_file" "sasl_password_file" (eq $given.saslMechanism "OAUTHBEARER")) (printf "%s/kafka/password" $secrets) -}}
  {{- end -}}
  {{- if $given.caSecret.name -}}{{- $_ := set $kafka "ca_file" (printf "%s/kafka-ca/ca.crt" $secrets) -}}{{- end -}}
  {{- if $given.certificateSecret -}}
    {{- $_ := mergeOverwrite $kafka (dict "certificate_file" (printf "%s/kafka-tls/tls.crt" $secrets) "key_file" (printf "%s/kafka-tls/tls.key" $secrets)) -}}
  {{- end -}}
{{- end -}}
{{- $redis := dict "url" (include "corpusworks.redisUrl" .) -}}
{{- if eq .Values.redis.mode "builtin" -}}
  {{- $_ := mergeOverwrite $redis (dict "username" "default" "password_file" (printf "%s/redis/password" $secrets)) -}}
{{- else -}}
  {{- $given := .Values.redis.external -}}
  {{- if $given.cluster -}}{{- $_ := set $redis "cluster" true -}}{{- end -}}
  {{- with $given.username -}}{{- $_ := set $redis "username" . -}}{{- end -}}
  {{- if $given.passwordSecret.name -}}{{- $_ := set $redis "password_file" (printf "%s/redis/password" $secrets) -}}{{- end -}}
  {{- if $given.caSecret.name -}}{{- $_ := set $redis "ca_file" (printf "%s/redis-ca/ca.crt" $secrets) -}}{{- end -}}
  {{- if $given.certificateSecret -}}
    {{- $_ := mergeOverwrite $redis (dict "certificate_file" (printf "%s/redis-tls/tls.crt" $secrets) "key_file" (printf "%s/redis-tls/tls.key" $secrets)) -}}
  {{- end -}}
{{- end -}}
{{- $all := dict "kafka" $kafka "redis" $redis "store_url" (include "corpusworks.storeUrl" .) "triton_url" (include "corpusworks.tritonUrl" .) "lanes" .Values.lanes "partitions" .Values.partitions "topology" "/etc/corpusworks/river/topology.yaml" "http_host" "0.0.0.0" "http_port" 8080 -}}
{{- if and (eq .Values.triton.mode "external") .Values.triton.external.caSecret.name -}}
  {{- $_ := set $all "triton_ca_file" (printf "%s/triton-ca/ca.crt" $secrets) -}}
{{- end -}}
{{- if kindIs "map" .Values.recipe -}}{{- $_ := set $all "recipe" "/etc/corpusworks/river/recipe.yaml" -}}
{{- else if .Values.recipe -}}{{- $_ := set $all "recipe" .Values.recipe -}}{{- end -}}
{{- if .Values.cold.schedule -}}
  {{- $_ := set $all "units" (dict "dedup" (dict "cold_after_days" (int64 .Values.cold.afterDays) "cold_documents" (int64 .Values.cold.documents))) -}}
{{- end -}}
{{- toYaml (mergeOverwrite $all (deepCopy .Values.settings)) -}}
{{- end -}}

{{/* The data of the ConfigMap with settings, table and recipe. */}}
{{- define "corpusworks.riverFiles" -}}
settings.yaml: |
  {{- include "corpusworks.settings" . | nindent 2 }}
topology.yaml: |
  {{- include "corpusworks.topology" . | nindent 2 }}
{{- if kindIs "map" .Values.recipe }}
recipe.yaml: |
  {{- toYaml .Values.recipe | nindent 2 }}
{{- end }}
{{- end -}}
