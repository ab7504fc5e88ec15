package kustomize

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kustomize/api/types"

	"github.com/gitopskit/gitopskit/internal/parts"
)

// TestSharedDataEqualsTheCommand builds every kustomization of the real input
// data.
func TestSharedDataEqualsTheCommand(t *testing.T) {
	root := parts.SharedData(t)
	built := 0
	err := fs.WalkDir(os.DirFS(root), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || path.Base(p) != "kustomization.yaml" {
			return err
		}
		built++
		dir := path.Dir(p)
		t.Run(dir, func(t *testing.T) {
			text, err := commandBuild(filepath.Join(root, dir), types.LoadRestrictionsRootOnly)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Build(t.Context(), os.DirFS(root), dir, Options{LegacyOrder: true})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(canonical(t, text), objectsText(t, got)); diff != "" {
				t.Error(diff)
			}
		})
		return nil
	})
	if err != nil || built == 0 {
		t.Fatalf("%d kustomizations found, %v", built, err)
	}
}

// TestSharedDataWithoutKustomization builds the folders that have none.
func TestSharedDataWithoutKustomization(t *testing.T) {
	root := parts.SharedData(t)
	for dir, want := range map[string]int{
		"podinfo/deploy/webapp":                          11,
		"podinfo/deploy/secure":                          13,
		"flux2-kustomize-helm-example/infrastructure":    9,
		"flux2-kustomize-helm-example/apps/base/podinfo": 3,
	} {
		t.Run(dir, func(t *testing.T) {
			got, err := Build(t.Context(), os.DirFS(root), dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != want {
				t.Errorf("%d objects, want %d", len(got), want)
			}
		})
	}
}
