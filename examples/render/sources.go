package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing/fstest"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitopskit/gitopskit/render/envsubst"
	"github.com/gitopskit/gitopskit/render/helm"
	"github.com/gitopskit/gitopskit/render/kustomize"
	"github.com/gitopskit/gitopskit/render/sops"
	"github.com/gitopskit/gitopskit/source/git"
)

func folder(ctx context.Context, fsys fs.FS, name string, o options) ([]*unstructured.Unstructured, error) {
	if len(o.values)+len(o.set) > 0 {
		return nil, fmt.Errorf("--values and --set are for charts, and %s is none", name)
	}
	vars, err := pairs(o.substitute)
	if err != nil {
		return nil, err
	}
	k := kustomize.Options{
		TargetNamespace: o.namespace, LegacyOrder: true,
		Substitute: envsubst.Substitution{Variables: vars},
	}
	if o.decrypt != "" {
		if k.Decrypter, err = decrypter(o.decrypt); err != nil {
			return nil, err
		}
	}
	if len(o.remote) == 0 {
		return kustomize.Build(ctx, fsys, name, k)
	}
	dir, err := os.MkdirTemp("", "render-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	mirrors, err := git.OpenMirrors(dir, git.MirrorOptions{})
	if err != nil {
		return nil, err
	}
	defer mirrors.Close() //nolint:errcheck // the folder goes anyway
	k.Remote = remotes(o.remote, mirrors)
	return kustomize.Build(ctx, fsys, name, k)
}

// file is a folder with one manifest.
func file(ctx context.Context, fsys fs.FS, name string, o options) ([]*unstructured.Unstructured, error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	return folder(ctx, fstest.MapFS{"file.yaml": {Data: data}}, ".", o)
}

func decrypter(keyFile string) (*sops.Decrypter, error) {
	key, err := os.ReadFile(filepath.Clean(keyFile))
	if err != nil {
		return nil, err
	}
	if bytes.Contains(key, []byte("PGP PRIVATE KEY")) {
		return sops.NewDecrypter(sops.Options{PGP: [][]byte{key}})
	}
	return sops.NewDecrypter(sops.Options{Age: []string{string(key)}})
}

func chart(ctx context.Context, fsys fs.FS, name string, o options) ([]*unstructured.Unstructured, error) {
	c, err := load(ctx, fsys, name)
	if err != nil {
		return nil, err
	}
	var sources []helm.ValuesSource
	for _, file := range o.values {
		data, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			return nil, err
		}
		sources = append(sources, helm.ValuesSource{Name: file, Data: data})
	}
	for _, set := range o.set {
		path, value, ok := strings.Cut(set, "=")
		if !ok {
			return nil, fmt.Errorf("--set %s: want path=value", set)
		}
		sources = append(sources, helm.ValuesSource{Name: "--set " + path, Data: []byte(value), TargetPath: path})
	}
	values, err := helm.ComposeValues(sources, nil)
	if err != nil {
		return nil, err
	}
	out, err := helm.Template(ctx, c, helm.Options{ReleaseName: o.name, Namespace: o.namespace, Values: values})
	if err != nil {
		return nil, err
	}
	objects, err := out.Objects()
	return append(out.CRDs, objects...), err
}

func load(ctx context.Context, fsys fs.FS, name string) (*helm.Chart, error) {
	if !strings.HasSuffix(name, ".tgz") {
		return helm.LoadFS(ctx, fsys, name, helm.LoadOptions{})
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	return helm.LoadArchive(ctx, f, helm.LoadOptions{})
}

func pairs(list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, p := range list {
		k, v, ok := strings.Cut(p, "=")
		if !ok {
			return nil, fmt.Errorf("--substitute %s: want name=value", p)
		}
		out[k] = v
	}
	return out, nil
}

// atRevision gives the parent folder of target as it was at a Git revision, in
// memory.
func atRevision(ctx context.Context, target, revision string) (fs.FS, error) {
	if strings.HasPrefix(revision, "-") {
		return nil, fmt.Errorf("--since %s: not a revision", revision)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "git", "-C", filepath.Dir(target), "archive", "--format=tar", revision) //nolint:gosec // the revision is no option
	cmd.Stderr = &stderr
	data, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git archive %s: %w: %s", revision, err, strings.TrimSpace(stderr.String()))
	}
	out := fstest.MapFS{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		out[strings.TrimPrefix(h.Name, "./")] = &fstest.MapFile{Data: content}
	}
}
