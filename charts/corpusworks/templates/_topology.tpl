{{/* The river's table: the packaged services/topology.yaml with the values' merged into it, as YAML. */}}
{{- define "corpusworks.topology" -}}
{{- toYaml (mergeOverwrite (.Files.Get "files/topology.yaml" | fromYaml) (deepCopy .Values.topology)) -}}
{{- end -}}

{{/*
The processes, as a YAML map by name: units, topic (its first input), by (of that topic), copies (the most that
have something to do) and the values that hold for it. The loop over services is a loop over this.
*/}}
{{- define "corpusworks.processes" -}}
{{- $root := . -}}
{{- $table := include "corpusworks.topology" . | fromYaml -}}
{{- $found := dict -}}
{{- range $group := $table.processes -}}
  {{- $units := list -}}
  {{- range $group -}}
    {{- $row := get $table.services . | default dict -}}
    {{- if ne (toString (get $row "enabled")) "false" -}}{{- $units = append $units . -}}{{- end -}}
  {{- end -}}
  {{- if $units -}}
    {{- $name := first $units -}}
    {{- $input := get (get $table.services $name | default dict) "input" -}}
    {{- $topic := $input -}}
    {{- if kindIs "slice" $input -}}{{- $topic = first $input -}}{{- end -}}
    {{- $by := get (get $table.topics $topic | default dict) "by" | default "partitions" -}}
    {{- $copies := ternary 1 (ternary $root.Values.lanes $root.Values.partitions (eq $by "lanes")) (eq $by "one") -}}
    {{- $settings := mergeOverwrite (deepCopy $root.Values.serviceDefaults) (deepCopy (get $root.Values.services $name | default dict)) -}}
    {{- $_ := set $found $name (dict "units" $units "topic" $topic "by" $by "copies" $copies "values" $settings "slug" (replace "_" "-" $name)) -}}
  {{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}
