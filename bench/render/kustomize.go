package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	fluxkustomize "github.com/fluxcd/pkg/kustomize"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/resmap"

	"github.com/gitopskit/gitopskit/render/envsubst"
	"github.com/gitopskit/gitopskit/render/kustomize"
)

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-%[1]d
  labels:
    app: app-%[1]d
    region: ${var_%[2]d}
spec:
  replicas: ${var_%[3]d:-2}
  selector:
    matchLabels:
      app: app-%[1]d
  template:
    metadata:
      labels:
        app: app-%[1]d
    spec:
      containers:
      - name: app
        image: ghcr.io/org/app:${var_%[4]d}
        env:
        - name: URL
          value: https://${var_%[2]d}.example.com/${var_%[4]d}
        - name: PLAIN
          value: nothing to replace
        resources:
          limits:
            cpu: 500m
            memory: 128Mi
        ports:
        - containerPort: 8080
          name: http
`

const variables, objects = 50, 1500

func vars() map[string]string {
	out := map[string]string{}
	for i := range variables {
		out[fmt.Sprintf("var_%d", i)] = fmt.Sprintf("v%d", i)
	}
	for i := 0; i < variables; i += 5 {
		out[fmt.Sprintf("var_%d", i)] = fmt.Sprint(i)
	}
	return out
}

// bigFolder holds 1,500 Deployments in 100 files.
func bigFolder() (string, error) {
	dir, err := os.MkdirTemp("", "bench-render-")
	if err != nil {
		return "", err
	}
	var list bytes.Buffer
	list.WriteString("resources:\n")
	for f := range 100 {
		var file bytes.Buffer
		for i := range objects / 100 {
			n := f*objects/100 + i
			fmt.Fprintf(&file, "---\n"+deployment, n, n%variables, n/5*5%variables, (n+7)%variables)
		}
		name := fmt.Sprintf("f%d.yaml", f)
		fmt.Fprintf(&list, "- %s\n", name)
		if err := os.WriteFile(filepath.Join(dir, name), file.Bytes(), 0o600); err != nil {
			return "", err
		}
	}
	return dir, os.WriteFile(filepath.Join(dir, "kustomization.yaml"), list.Bytes(), 0o600)
}

// fluxObjects does what kustomize-controller does with a build.
func fluxObjects(m resmap.ResMap, substitute map[string]string) (int, error) {
	k := unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{}}}
	if substitute != nil {
		values := map[string]any{}
		for name, v := range substitute {
			values[name] = v
		}
		k.Object["spec"] = map[string]any{"postBuild": map[string]any{"substitute": values}}
		for _, res := range m.Resources() {
			out, err := fluxkustomize.SubstituteVariables(context.Background(), nil, k, res,
				fluxkustomize.SubstituteWithDryRun(true), fluxkustomize.SubstituteWithStrict(true))
			if err != nil {
				return 0, err
			}
			if out != nil {
				if _, err := m.Replace(res); err != nil {
					return 0, err
				}
			}
		}
	}
	text, err := m.AsYaml()
	if err != nil {
		return 0, err
	}
	n := 0
	for dec := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 2048); ; n++ {
		obj := &unstructured.Unstructured{}
		if err := dec.Decode(obj); errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return 0, err
		}
	}
}

func expect(n, want int, err error) error {
	if err == nil && n != want {
		err = fmt.Errorf("%d objects, want %d", n, want)
	}
	return err
}

func substitute() (outcome, error) {
	dir, err := bigFolder()
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	o := kustomize.Options{Substitute: envsubst.Substitution{Variables: vars()}}
	r := outcome{name: "kustomize/substitute-1500", n: objects, peerName: flux, want: 3}
	best, err := contest(func() error {
		got, err := kustomize.Build(context.Background(), os.DirFS(dir), ".", o)
		return expect(len(got), objects, err)
	}, func() error { return fluxBuild(dir, dir, vars(), objects) })
	if err != nil {
		return r, err
	}
	r.ours, r.peer = best[0], best[1]
	return r, nil
}

const flux = "fluxcd/pkg/kustomize"

// fluxBuild builds a folder of root as kustomize-controller does.
func fluxBuild(root, dir string, substitute map[string]string, want int) error {
	m, err := fluxkustomize.SecureBuild(root, dir, false)
	if err != nil {
		return err
	}
	n, err := fluxObjects(m, substitute)
	return expect(n, want, err)
}

// overlays makes 100 overlays, each with a base of its own.
func overlays() (string, []string, error) {
	dir, err := os.MkdirTemp("", "bench-render-")
	if err != nil {
		return "", nil, err
	}
	var names []string
	for i := range 100 {
		name := fmt.Sprintf("app-%d", i)
		names = append(names, name+"/prod")
		for file, content := range map[string]string{
			"base/kustomization.yaml": "resources: [d.yaml]\n",
			"base/d.yaml":             fmt.Sprintf(deployment, i, 1, 2, 3),
			"prod/kustomization.yaml": fmt.Sprintf("resources: [../base]\nnamespace: ns-%d\nnamePrefix: prod-\nimages:\n- name: ghcr.io/org/app\n  newTag: \"%d\"\npatches:\n- patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: app-%d}\n    spec: {replicas: 3}\nconfigMapGenerator:\n- name: settings\n  literals: [a=%d]\n", i, i, i, i),
		} {
			p := filepath.Join(dir, name, file)
			if err := os.MkdirAll(filepath.Dir(p), 0o750); err != nil {
				return "", nil, err
			}
			if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
				return "", nil, err
			}
		}
	}
	return dir, names, nil
}

// inParallel runs f for each name on so many goroutines.
func inParallel(names []string, workers int, f func(string) error) error {
	work := make(chan string)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for name := range work {
				if errs[w] == nil {
					errs[w] = f(name)
				}
			}
		})
	}
	for _, name := range names {
		work <- name
	}
	close(work)
	wg.Wait()
	return errors.Join(errs...)
}

func parallel() (outcome, error) {
	dir, names, err := overlays()
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	build := func(name string) error {
		got, err := kustomize.Build(context.Background(), os.DirFS(dir), name, kustomize.Options{})
		return expect(len(got), 2, err)
	}
	cores := runtime.GOMAXPROCS(0)
	r := outcome{name: "kustomize/parallel-100", n: len(names), peerName: flux, want: 15}
	best, err := contest(
		func() error { return inParallel(names, cores, build) },
		func() error { return inParallel(names, 1, build) },
		func() error {
			return inParallel(names, cores, func(name string) error { return fluxBuild(dir, filepath.Join(dir, name), nil, 2) })
		},
	)
	if err != nil {
		return r, err
	}
	r.ours, r.peer = best[0], best[2]
	r.remark = fmt.Sprintf("on one core %s", perOp(best[1]))
	r.remarkFailed = cores > 1 && best[1].NsPerOp() <= r.ours.NsPerOp()
	return r, nil
}

func unchanged() (outcome, error) {
	dir, err := bigFolder()
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	var b kustomize.Builder
	o := kustomize.Options{Substitute: envsubst.Substitution{Variables: vars()}}
	r := outcome{name: "kustomize/unchanged", n: objects, peerName: flux, want: 1000}
	best, err := contest(func() error {
		got, err := b.Build(context.Background(), "sha256:0123", os.DirFS(dir), ".", o)
		return expect(len(got), objects, err)
	}, func() error { return fluxBuild(dir, dir, vars(), objects) })
	if err != nil {
		return r, err
	}
	r.ours, r.peer = best[0], best[1]
	return r, nil
}
