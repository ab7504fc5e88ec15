package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/gitopskit/gitopskit/render/kustomize"
)

// set is what was read: objects, and where each was written down.
type set struct {
	objects []*unstructured.Unstructured
	origins map[*unstructured.Unstructured]string
}

func (s *set) origin(o *unstructured.Unstructured) string { return s.origins[o] }

func (s *set) add(origin string, u *unstructured.Unstructured) error {
	if u.IsList() {
		return u.EachListItem(func(item runtime.Object) error { return s.add(origin, item.(*unstructured.Unstructured)) })
	}
	s.objects = append(s.objects, u)
	s.origins[u] = origin
	return nil
}

// read reads folders, files and the standard input.
func read(ctx context.Context, files []string, in io.Reader) (*set, error) {
	s := &set{origins: map[*unstructured.Unstructured]string{}}
	for _, file := range files {
		if err := s.read(ctx, file, in); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *set) read(ctx context.Context, file string, in io.Reader) error {
	if file == "-" {
		content, err := slurp(ctx, in)
		if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		return s.decode("standard input", content)
	}
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return s.folder(ctx, file)
	case isKustomization(file):
		return fmt.Errorf("%s is not a manifest but says how to build some: give its folder, -f %s", file, filepath.Dir(file))
	}
	return s.file(file)
}

func (s *set) file(file string) error {
	f, err := os.Open(file) //nolint:gosec // it is the user's file
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	return s.decode(file, f)
}

// folder reads all manifests below a folder, and builds what is a kustomization.
func (s *set) folder(ctx context.Context, folder string) error {
	return filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir() && path != folder && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir():
			built, err := s.kustomization(ctx, path)
			if err == nil && built {
				err = fs.SkipDir
			}
			return err
		case slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)):
			return s.file(path)
		}
		return nil
	})
}

func isKustomization(file string) bool {
	return slices.Contains([]string{"kustomization.yaml", "kustomization.yml", "Kustomization"}, filepath.Base(file))
}

// kustomization builds a folder, and reports whether it is a kustomization. Its
// bases may be anywhere on this machine, as for kubectl.
func (s *set) kustomization(ctx context.Context, folder string) (bool, error) {
	entries, err := os.ReadDir(folder)
	if err != nil || !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return isKustomization(e.Name()) }) {
		return false, err
	}
	abs, err := filepath.Abs(folder)
	if err != nil {
		return true, err
	}
	root := filepath.VolumeName(abs) + string(filepath.Separator)
	dir, err := filepath.Rel(root, abs)
	if err != nil {
		return true, err
	}
	objects, err := kustomize.Build(ctx, os.DirFS(root), filepath.ToSlash(dir), kustomize.Options{})
	if err != nil {
		return true, fmt.Errorf("%s: %w", folder, err)
	}
	for _, u := range objects {
		if err := s.add(folder, u); err != nil {
			return true, fmt.Errorf("%s: %w", folder, err)
		}
	}
	return true, nil
}

// decode reads YAML or JSON documents.
func (s *set) decode(name string, in io.Reader) error {
	decoder := yaml.NewYAMLOrJSONDecoder(in, 4096)
	for n := 1; ; n++ {
		var document any
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return nil
		}
		origin := fmt.Sprintf("%s, document %d", name, n)
		object, ok := document.(map[string]any)
		switch {
		case err != nil:
		case ok && len(object) > 0:
			err = s.add(origin, &unstructured.Unstructured{Object: object})
		case !ok && document != nil:
			err = fmt.Errorf("a manifest is a mapping with apiVersion and kind, and this is %.40q", fmt.Sprint(document))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", origin, err)
		}
	}
}

// slurp reads everything, and gives up when ctx ends: a person at a terminal may
// never end what is read.
func slurp(ctx context.Context, in io.Reader) (io.Reader, error) {
	type content struct {
		data []byte
		err  error
	}
	done := make(chan content, 1)
	go func() {
		data, err := io.ReadAll(in)
		done <- content{data, err}
	}()
	select {
	case c := <-done:
		return bytes.NewReader(c.data), c.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
