{{- define "tfm.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "tfm.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tfm.labels" -}}
{{ include "tfm.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "tfm.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* A number as it was written: helm reads 10000000 as 1e+07. */ -}}
{{- define "tfm.text" -}}
{{- if kindIs "float64" . }}{{ if eq . (floor .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{- /* What sweepers and the CronJob's runs are told alike. */ -}}
{{- define "tfm.env" -}}
- name: TEMP_FILE_BASE_DIR
  value: {{ printf "%s/%s" .Values.volume.mountPath .Values.volume.directory | quote }}
- name: LOG_FORMAT
  value: json
{{- if .Values.fleet.enabled }}
- name: TEMP_FILE_SCOPE
  value: {{ .Values.fleet.scope | quote }}
- name: TEMP_FILE_REGISTRY
  value: {{ .Values.fleet.registry | quote }}
- name: TEMP_FILE_REGISTRY_PASSWORD_FILE
  value: {{ printf "/run/secrets/temp-file-manager/%s" .Values.fleet.secret.passwordKey | quote }}
{{- with .Values.fleet.server }}
- name: TEMP_FILE_FLEET
  value: {{ . | quote }}
{{- end }}
{{- with .Values.fleet.team }}
- name: TEMP_FILE_TEAM
  value: {{ . | quote }}
{{- end }}
- name: TEMP_FILE_IF_UNKNOWN
  value: {{ include "tfm.text" .Values.fleet.ifUnknown | quote }}
- name: PGSSLROOTCERT
  value: {{ printf "/run/secrets/temp-file-manager/%s" .Values.fleet.secret.certificateKey | quote }}
{{- end }}
{{- range $name, $value := .Values.settings }}
- name: {{ printf "TEMP_FILE_%s" (upper $name) }}
  value: {{ include "tfm.text" $value | quote }}
{{- end }}
{{- end }}

{{- define "tfm.mounts" -}}
- name: tmp
  mountPath: /tmp
- name: temp-storage
  mountPath: {{ .Values.volume.mountPath }}
{{- if .Values.fleet.enabled }}
- name: database
  mountPath: /run/secrets/temp-file-manager
  readOnly: true
{{- end }}
{{- if .Values.settingsFile }}
- name: settings
  mountPath: /etc/temp-file-manager
  readOnly: true
{{- end }}
{{- end }}

{{- define "tfm.volumes" -}}
# What SQLite spills there.
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
- name: temp-storage
{{- if .Values.volume.claim }}
  persistentVolumeClaim:
    claimName: {{ .Values.volume.claim }}
{{- else if .Values.fleet.enabled }}
  {{- fail "fleet.enabled takes volume.claim: the claim of the volume that the sweepers and the applications share" }}
{{- else }}
  emptyDir: {}
{{- end }}
{{- if .Values.fleet.enabled }}
- name: database
  secret:
    secretName: {{ .Values.fleet.secret.name }}
    defaultMode: 0440
{{- end }}
{{- if .Values.settingsFile }}
- name: settings
  configMap:
    name: {{ include "tfm.name" . }}
{{- end }}
{{- end }}

{{- define "tfm.pod" -}}
automountServiceAccountToken: false
# Variables named after Services would be taken for settings.
enableServiceLinks: false
terminationGracePeriodSeconds: 15
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .Values.user }}
  runAsGroup: {{ .Values.group }}
  fsGroup: {{ .Values.group }}
  {{- if .Values.volume.claim }}
  # Else the kubelet changes the owner of each file of the volume at each start.
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
volumes: {{- include "tfm.volumes" . | nindent 2 }}
{{- end }}

{{- define "tfm.container" -}}
name: temp-file-manager
image: {{ include "tfm.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
volumeMounts: {{- include "tfm.mounts" . | nindent 2 }}
resources: {{- toYaml .Values.resources | nindent 2 }}
{{- end }}
