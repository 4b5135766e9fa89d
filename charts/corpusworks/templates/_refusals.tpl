{{/* Where the river's state is, and whether that outlives its pods. */}}
{{- define "corpusworks.stores" -}}
kafka: {{ printf "%s%s" (include "corpusworks.bootstrap" .) (ternary "" " (emptyDir)" (or (ne .Values.kafka.mode "builtin") .Values.kafka.builtin.persistence.enabled)) | quote }}
redis: {{ printf "%s%s" (include "corpusworks.redisUrl" .) (ternary "" " (emptyDir)" (or (ne .Values.redis.mode "builtin") .Values.redis.builtin.persistence.enabled)) | quote }}
store: {{ printf "%s%s" (include "corpusworks.storeUrl" .) (ternary (ternary "" " (emptyDir)" .Values.store.builtin.persistence.enabled) (printf " %s" .Values.store.external.endpoint) (eq .Values.store.mode "builtin")) | trim | quote }}
{{- end -}}

{{/* A quantity of memory in MiB. */}}
{{- define "corpusworks.mebibytes" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9]+" $text | int64 -}}
{{- if hasSuffix "Gi" $text -}}{{ mul $number 1024 }}
{{- else if hasSuffix "Mi" $text -}}{{ $number }}
{{- else if hasSuffix "G" $text -}}{{ div (mul $number 1000000000) 1048576 }}
{{- else if hasSuffix "M" $text -}}{{ div (mul $number 1000000) 1048576 }}
{{- else -}}{{ div $number 1048576 }}{{- end -}}
{{- end -}}

{{/* What cannot be meant, or cannot work: everything at once, each with what to do. */}}
{{- define "corpusworks.refusals" -}}
{{- $why := list -}}
{{- $table := include "corpusworks.topology" . | fromYaml -}}
{{- $processes := include "corpusworks.processes" . | fromYaml -}}
{{- range $name, $_ := .Values.services -}}
  {{- if not (hasKey $processes $name) -}}
    {{- $why = append $why (printf "services.%s: there is no such process; there are: %s" $name (keys $processes | sortAlpha | join ", ")) -}}
  {{- end -}}
{{- end -}}
{{- range $name, $process := $processes -}}
  {{- $values := $process.values -}}
  {{- $where := printf "services.%s" $name -}}
  {{- range $process.units -}}
    {{- if not (hasKey $table.services .) -}}
      {{- $why = append $why (printf "topology.processes names %s, which is no service: give it an entry in topology.services" .) -}}
    {{- end -}}
  {{- end -}}
  {{- $copies := mul (int $values.replicas) (int $values.workers) -}}
  {{- if gt $copies (int $process.copies) -}}
    {{- $why = append $why (printf "%s: %d copies of %d workers, and %s has %d (%s): what is above it would idle. Set replicas times workers to %d or less" $where (int $values.replicas) (int $values.workers) $process.topic (int $process.copies) (ternary "a single partition" $process.by (eq $process.by "one")) (int $process.copies)) -}}
  {{- end -}}
  {{- if lt (int $values.autoscaling.min) 1 -}}
    {{- $why = append $why (printf "%s.autoscaling.min is %d: at 0 nobody would read, and a topic's first messages are below any threshold. Set 1 or more" $where (int $values.autoscaling.min)) -}}
  {{- end -}}
  {{- if and (ne $values.autoscaling.by "none") (gt (mul (int $values.autoscaling.max) (int $values.workers)) (int $process.copies)) -}}
    {{- $why = append $why (printf "%s.autoscaling.max is %d and %s has %d partitions: set it to %d or less, or 0" $where (int $values.autoscaling.max) $process.topic (int $process.copies) (div (int $process.copies) (int $values.workers))) -}}
  {{- end -}}
  {{- if and (eq $values.autoscaling.by "keda") (ne $process.by "partitions") -}}
    {{- $why = append $why (printf "%s.autoscaling.by is keda, and what it reads is cut into lanes, whose number is not that of its messages: set none or hpa" $where) -}}
  {{- end -}}
  {{- with ($values.resources.limits | default dict).memory -}}
    {{- $limit := include "corpusworks.mebibytes" . | int64 -}}
    {{- $own := div (int64 $values.memoryLimitBytes) 1048576 -}}
    {{- if gt (add $own 200) $limit -}}
      {{- $why = append $why (printf "%s: memoryLimitBytes is %d MiB and the container's limit %d MiB: the kernel would end the pod before one document is given up. Leave 200 MiB between them" $where $own $limit) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- range $name := list "retention" "cold" -}}
  {{- with (get $.Values $name).schedule -}}
    {{- if not (regexMatch "^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|[^ @]+( +[^ ]+){4})$" .) -}}
      {{- $why = append $why (printf "%s.schedule is %q: five fields are needed, as \"17 3 * * *\" or @daily; nothing for never" $name .) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if .Values.cold.schedule -}}
  {{- $dedup := dig "units" "dedup" dict (include "corpusworks.settings" . | fromYaml) -}}
  {{- $days := int64 $dedup.cold_after_days -}}{{- $documents := int64 $dedup.cold_documents -}}
  {{- if or (lt $days 1) (gt $days 36500) -}}
    {{- $why = append $why (printf "cold.schedule is set, and documents would be old after %d days: set cold.afterDays to 1 to 36500 (settings.units.dedup.cold_after_days wins over it), or no schedule" $days) -}}
  {{- end -}}
  {{- if or (lt $documents 1) (gt $documents 100000000000) -}}
    {{- $why = append $why (printf "cold.documents is %d: set it to 1 to 100000000000" $documents) -}}
  {{- end -}}
  {{- if eq (toString $dedup.index) "memory" -}}
    {{- $why = append $why "cold.schedule is set and settings.units.dedup.index is memory, which ends with its process: no other could take anything out of it. Leave one of them out" -}}
  {{- end -}}
  {{- if eq (toString (dig "services" "dedup" "enabled" true $table)) "false" -}}
    {{- $why = append $why "cold.schedule is set and topology.services.dedup.enabled is false: there is no index. Leave one of them out" -}}
  {{- end -}}
{{- end -}}
{{- if and (eq .Values.kafka.mode "external") (not (regexMatch "^[^:,]+:[0-9]+(,[^:,]+:[0-9]+)*$" .Values.kafka.external.bootstrapServers)) -}}
  {{- $why = append $why "kafka.mode is external: set kafka.external.bootstrapServers to host:port,host:port" -}}
{{- end -}}
{{- if and (eq .Values.kafka.mode "external") (hasPrefix "SASL" .Values.kafka.external.securityProtocol) (or (not .Values.kafka.external.saslMechanism) (not .Values.kafka.external.passwordSecret.name)) -}}
  {{- $why = append $why "kafka.external.securityProtocol asks for SASL: set saslMechanism, username and passwordSecret.name" -}}
{{- end -}}
{{- if and (eq .Values.redis.mode "external") (not (regexMatch "^rediss?://[^/]+" .Values.redis.external.url)) -}}
  {{- $why = append $why "redis.mode is external: set redis.external.url to redis://host:6379/0 or rediss://…" -}}
{{- end -}}
{{- if regexMatch "^rediss?://[^/]*@" .Values.redis.external.url -}}
  {{- $why = append $why "redis.external.url holds a password, which everybody could read: put it into a Secret and name that in redis.external.passwordSecret" -}}
{{- end -}}
{{- if and (eq .Values.store.mode "external") (not (regexMatch "^(s3|gs|az|abfs)://[^/]+" .Values.store.external.url)) -}}
  {{- $why = append $why "store.mode is external: set store.external.url to s3://bucket/prefix; pods share no folder" -}}
{{- end -}}
{{- if and (eq .Values.triton.mode "external") (not (regexMatch "^(grpcs?://)?[^:/]+:[0-9]+$" .Values.triton.external.url)) -}}
  {{- $why = append $why "triton.mode is external: set triton.external.url to host:8001" -}}
{{- end -}}
{{- if and (eq .Values.triton.mode "deployed") (or (not .Values.triton.deployed.image) (and (hasPrefix "/" .Values.triton.deployed.modelRepository) (not .Values.triton.deployed.claim))) -}}
  {{- $why = append $why "triton.mode is deployed: set triton.deployed.image, and modelRepository to s3://… or claim to the volume that holds it" -}}
{{- end -}}
{{- range $name, $door := include "corpusworks.openDoors" . | fromYaml -}}
  {{- $values := $door.values -}}
  {{- if $door.secret -}}
    {{- $secret := printf "%sSecret" $door.secret -}}
    {{- if not (get $values $secret).name -}}
      {{- $why = append $why (printf "%s.enabled: nobody could come in. Put its %s into a Secret and name that in %s.%s.name" $name $door.secret $name $secret) -}}
    {{- end -}}
  {{- end -}}
  {{- with (dig "ingress" dict $values) -}}
    {{- if and .enabled (not .host) -}}{{- $why = append $why (printf "%s.ingress.enabled: set %s.ingress.host to the name it is reached under" $name $name) -}}{{- end -}}
  {{- end -}}
  {{- with (dig "route" dict $values) -}}
    {{- if and .enabled (not .parentRefs) -}}{{- $why = append $why (printf "%s.route.enabled: name a Gateway in %s.route.parentRefs" $name $name) -}}{{- end -}}
  {{- end -}}
  {{- with ($values.resources.limits | default dict).memory -}}
    {{- if gt (add (div (int64 $values.memoryLimitBytes) 1048576) 200) (include "corpusworks.mebibytes" . | int64) -}}
      {{- $why = append $why (printf "%s.memoryLimitBytes leaves less than 200 MiB below the container's limit of %s: the kernel would end the pod before one file is given up" $name .) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $needs := dict -}}
{{- range $name, $door := include "corpusworks.openDoors" . | fromYaml -}}
  {{- if (dig "route" "enabled" false $door.values) -}}{{- $_ := set $needs (printf "%s.route" $name) (list "gateway.networking.k8s.io/v1/HTTPRoute") -}}{{- end -}}
{{- end -}}
{{- if eq .Values.kafka.mode "strimzi" -}}{{- $_ := set $needs "kafka.mode: strimzi" (list "kafka.strimzi.io/v1/Kafka" "kafka.strimzi.io/v1beta2/Kafka") -}}{{- end -}}
{{- if .Values.monitoring.podMonitor -}}{{- $_ := set $needs "monitoring.podMonitor" (list "monitoring.coreos.com/v1/PodMonitor") -}}{{- end -}}
{{- if .Values.monitoring.rules -}}{{- $_ := set $needs "monitoring.rules" (list "monitoring.coreos.com/v1/PrometheusRule") -}}{{- end -}}
{{- if include "corpusworks.byLag" . -}}{{- $_ := set $needs "autoscaling.by: keda" (list "keda.sh/v1alpha1/ScaledObject") -}}{{- end -}}
{{- $versions := .Capabilities.APIVersions -}}
{{- range $what, $kinds := $needs -}}
  {{- $there := false -}}
  {{- range $kinds -}}{{- if $versions.Has . -}}{{- $there = true -}}{{- end -}}{{- end -}}
  {{- if not $there -}}
    {{- $why = append $why (printf "%s needs %s, which this cluster does not serve: install its operator first, or leave that out (`helm template` takes --api-versions %s)" $what (first $kinds) (first $kinds)) -}}
  {{- end -}}
{{- end -}}
{{- $former := (lookup "v1" "ConfigMap" .Release.Namespace (printf "%s-stores" (include "corpusworks.fullname" .))).data | default dict -}}
{{- $now := include "corpusworks.stores" . | fromYaml -}}
{{- if not .Values.acceptOtherStores -}}
  {{- range $name, $was := $former -}}
    {{- if ne $was (get $now $name) -}}
      {{- $why = append $why (printf "the river has its %s in %s, and would go on in %s without what is there. Set it as it was; or, if everything was moved over, set acceptOtherStores: true for this upgrade" $name $was (get $now $name)) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if $why -}}{{- fail (printf "\n- %s" (join "\n- " $why)) -}}{{- end -}}
{{- end -}}
