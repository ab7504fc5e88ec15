package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing/fstest"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	kubefake "helm.sh/helm/v3/pkg/kube/fake"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"

	"github.com/gitopskit/gitopskit/render/helm"
)

const templates = 200

const template = `{{- $name := printf "%%s-%d" (include "bench.name" .) -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels:
    {{- include "bench.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas | default 1 }}
  selector:
    matchLabels:
      app: {{ $name }}
  template:
    metadata:
      labels:
        app: {{ $name }}
        {{- include "bench.labels" . | nindent 8 }}
    spec:
      containers:
      - name: app
        image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
        env:
        {{- range $k, $v := .Values.env }}
        - name: {{ $k | upper | quote }}
          value: {{ $v | quote }}
        {{- end }}
        {{- with .Values.resources }}
        resources:
          {{- toYaml . | nindent 10 }}
        {{- end }}
        {{- if .Values.probe.enabled }}
        livenessProbe:
          httpGet: {path: {{ .Values.probe.path }}, port: http}
        {{- end }}
`

const partials = `{{ define "bench.name" }}{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}{{ end }}
{{ define "bench.labels" -}}
app.kubernetes.io/name: {{ include "bench.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}
`

const defaults = `replicas: 1
image: {repository: ghcr.io/org/app, tag: ""}
env: {a: "1", b: "2", c: "3"}
resources: {limits: {cpu: 500m, memory: 128Mi}}
probe: {enabled: true, path: /healthz}
`

func chartFiles() map[string]string {
	files := map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: bench\nversion: 1.0.0\nappVersion: 2.0.0\n", "values.yaml": defaults,
		"templates/_helpers.tpl": partials,
	}
	for i := range templates {
		files[fmt.Sprintf("templates/t%03d.yaml", i)] = fmt.Sprintf(template, i)
	}
	return files
}

// rerender renders a loaded chart again and again with other values. Both end
// with the manifest and the hooks; ours decodes objects when asked, which the
// remark shows.
func rerender() (outcome, error) {
	fsys := fstest.MapFS{}
	var buffered []*loader.BufferedFile
	for name, content := range chartFiles() {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
		buffered = append(buffered, &loader.BufferedFile{Name: name, Data: []byte(content)})
	}
	ours, err := helm.LoadFS(context.Background(), fsys, ".", helm.LoadOptions{})
	if err != nil {
		return outcome{}, err
	}
	peer, err := loader.LoadFiles(buffered)
	if err != nil {
		return outcome{}, err
	}
	n := 0
	values := func() map[string]any {
		n++
		return map[string]any{"image": map[string]any{"tag": fmt.Sprintf("v%d", n)}}
	}
	render := func() (*helm.Rendered, error) {
		return helm.Template(context.Background(), ours, helm.Options{ReleaseName: "rel", Namespace: "ns", Values: values()})
	}
	r := outcome{name: "helm/rerender", n: templates, peerName: "Helm's action package", want: 2, wantAllocs: 0.5}
	best, err := contest(
		func() error {
			out, err := render()
			if err != nil {
				return err
			}
			return expect(strings.Count(out.Manifest, "\n# Source: "), templates, nil)
		},
		func() error {
			out, err := render()
			if err != nil {
				return err
			}
			objects, err := out.Objects()
			return expect(len(objects), templates, err)
		},
		func() error { return helmTemplate(peer, values()) },
	)
	if err != nil {
		return r, err
	}
	r.ours, r.peer = best[0], best[2]
	r.remark = fmt.Sprintf("with objects decoded %s", perOp(best[1]))
	return r, nil
}

func helmTemplate(c *chart.Chart, values map[string]any) error {
	install := action.NewInstall(&action.Configuration{
		Releases: storage.Init(driver.NewMemory()), KubeClient: &kubefake.PrintingKubeClient{Out: io.Discard},
		Capabilities: chartutil.DefaultCapabilities.Copy(), Log: func(string, ...any) {},
	})
	install.DryRun, install.ClientOnly, install.ReleaseName, install.Namespace = true, true, "rel", "ns"
	_, err := install.Run(c, values)
	return err
}
