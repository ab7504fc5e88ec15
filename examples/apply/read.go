package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/gitopskit/gitopskit/render/kustomize"
)

// set is what was read: objects, and where each was written down.
type set struct {
	objects []*unstructured.Unstructured
	origins map[*unstructured.Unstructured]string
}

func (s *set) origin(o *unstructured.Unstructured) string { return s.origins[o] }

func (s *set) add(origin string, objects ...*unstructured.Unstructured) {
	for _, o := range objects {
		s.objects = append(s.objects, o)
		s.origins[o] = origin
	}
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
		return s.decode("standard input", in)
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if info.IsDir() {
		objects, err := kustomize.Build(ctx, os.DirFS(file), ".", kustomize.Options{})
		s.add(file, objects...)
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	return s.decode(file, f)
}

// decode reads YAML or JSON documents.
func (s *set) decode(name string, in io.Reader) error {
	decoder := yaml.NewYAMLOrJSONDecoder(in, 4096)
	for n := 1; ; n++ {
		u := &unstructured.Unstructured{}
		err := decoder.Decode(&u.Object)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: document %d: %w", name, n, err)
		}
		if len(u.Object) > 0 {
			s.add(fmt.Sprintf("%s, document %d", name, n), u)
		}
	}
}
