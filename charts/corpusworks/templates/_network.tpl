{{/* Ports of servers outside of the release, as a JSON list. */}}
{{- define "corpusworks.outside" -}}
{{- $ports := list -}}
{{- if eq .Values.kafka.mode "external" -}}
  {{- range splitList "," .Values.kafka.external.bootstrapServers -}}{{- $ports = append $ports (splitList ":" . | last | int) -}}{{- end -}}
{{- else if eq .Values.kafka.mode "strimzi" -}}{{- $ports = append $ports 9093 -}}{{- end -}}
{{- if eq .Values.redis.mode "external" -}}
  {{- $host := regexReplaceAll "^rediss?://([^@/]*@)?" .Values.redis.external.url "" | splitList "/" | first -}}
  {{- $ports = append $ports (ternary (splitList ":" $host | last | int) 6379 (contains ":" $host)) -}}
{{- end -}}
{{- if eq .Values.store.mode "external" -}}
  {{- $host := regexReplaceAll "^https?://" .Values.store.external.endpoint "" | splitList "/" | first -}}
  {{- $plain := hasPrefix "http://" .Values.store.external.endpoint -}}
  {{- $ports = append $ports (ternary (splitList ":" $host | last | int) (ternary 80 443 $plain) (contains ":" $host)) -}}
{{- end -}}
{{- if eq .Values.triton.mode "external" -}}{{- $ports = append $ports (splitList ":" .Values.triton.external.url | last | int) -}}{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}
