{{/*
What documents come in by beside imports: one entry a door, a service of the topology that reads no topic. Each has values
of its name, as `upload` has.
  port     others reach it there: a Service, and by its values an Ingress or HTTPRoute
  secret   its value of this name + "Secret" names a Secret, the file of which becomes the unit's setting of this name
  outside  ports on which it fetches from anywhere: [80, 443]
*/}}
{{- define "corpusworks.doors" -}}
upload: {port: 8000, secret: keys}
crawl: {outside: [80, 443]}
{{- end -}}

{{/* The doors that are enabled, as a YAML map by name: of the above, with their `values`. */}}
{{- define "corpusworks.openDoors" -}}
{{- $root := . -}}{{- $found := dict -}}
{{- range $name, $door := include "corpusworks.doors" . | fromYaml -}}
  {{- $values := get $root.Values $name -}}
  {{- if $values.enabled -}}{{- $_ := set $found $name (merge (dict "values" $values) $door) -}}{{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}
