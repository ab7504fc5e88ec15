package kustomize

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Build returns the objects that the folder dir of fsys means: the result of its
// kustomization, or, where it has none, of all manifests below it. dir is
// slash-separated and relative to the root of fsys; "", "." and "./" are the
// root. An empty folder gives no objects and no error.
//
// Nothing is written and nothing is fetched, unless Options.Remote does. The
// objects belong to the caller. Errors are *Error, or several of them joined;
// a context that ends stops the build at the next file.
func Build(ctx context.Context, fsys fs.FS, dir string, o Options) ([]*unstructured.Unstructured, error) {
	b, err := build(ctx, fsys, dir, o)
	if err != nil {
		return nil, asError(err, Error{Op: "build", Ref: dir})
	}
	return b.objects, nil
}

// built is a result and what a cache must know of it.
type built struct {
	objects []*unstructured.Unstructured
	remote  bool  // something was fetched
	bytes   int64 // of JSON, before substitution
}

func build(ctx context.Context, fsys fs.FS, dir string, o Options) (*built, error) {
	t := newTree(ctx.Err, fsys, o.Limits.withDefaults())
	root, err := t.openDir(fsys, dir)
	if err != nil {
		return nil, err
	}
	ok, err := t.prepare(root, o)
	if err != nil {
		return nil, asError(err, Error{Op: "open", Ref: dir})
	}
	if !ok {
		return &built{}, nil
	}
	s := newScanner(t, o)
	if _, err := s.folder(ctx, root); err != nil {
		return nil, err
	}
	objects, size, err := s.objects(root, o)
	if err != nil {
		return nil, err
	}
	objects, err = finish(ctx, objects, o)
	return &built{objects: objects, remote: len(s.remotes) > 0, bytes: size}, err
}

// objects builds what was scanned.
func (s *scanner) objects(root string, o Options) ([]*unstructured.Unstructured, int64, error) {
	if objects, size, ok := s.short(root, o); ok && s.tree.failure == nil {
		return objects, size, nil
	}
	s.flatten(root)
	m, err := runLibrary(s.tree, root, o, s.ownSchema)
	if err == nil {
		err = s.tree.failure
	}
	if err != nil {
		return nil, 0, s.diagnose(root, err)
	}
	return convert(m)
}

// openDir finds the folder to build.
func (t *tree) openDir(fsys fs.FS, dir string) (string, error) {
	if fsys == nil {
		return "", &Error{Op: "open", Ref: dir, Err: fmt.Errorf("%w: no file system given", ErrInvalid)}
	}
	clean := path.Clean(strings.TrimLeft(dir, "/"))
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", &Error{Op: "open", Ref: dir, Err: fmt.Errorf("%w: give a path inside it", ErrOutside)}
	}
	real, info, err := t.resolve(path.Join(artifactRoot, clean))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", &Error{Op: "open", Ref: dir, Err: fmt.Errorf("%w: the folder is not in the artifact", ErrNotFound)}
	case err != nil:
		return "", &Error{Op: "open", Ref: dir, Err: err}
	case !info.IsDir():
		return "", &Error{Op: "open", Ref: dir, Err: fmt.Errorf("%w: it is a file, give its folder", ErrNotFound)}
	}
	return real, nil
}
