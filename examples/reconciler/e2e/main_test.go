package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/gitopskit/gitopskit/examples/reconciler/internal/crds"
	"github.com/gitopskit/gitopskit/internal/testcluster"
	"github.com/gitopskit/gitopskit/ssa"
)

// program is the built reconciler.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "reconciler")
	if err == nil {
		program = filepath.Join(dir, "reconciler")
		build := exec.Command("go", "build", "-o", program, "..")
		build.Stderr = os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the reconciler:", err)
		os.Exit(1)
	}
	code := testcluster.Main(m)
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

var definitions sync.Once

// installDefinitions puts the CustomResourceDefinitions into the shared cluster.
func installDefinitions(t *testing.T, cfg *rest.Config) {
	t.Helper()
	definitions.Do(func() {
		objects, err := crds.All()
		if err != nil {
			t.Fatal(err)
		}
		applyNow(t, cfg, objects)
	})
}

func applyNow(t *testing.T, cfg *rest.Config, objects []*unstructured.Unstructured) {
	t.Helper()
	applier, err := ssa.New(cfg, ssa.Options{FieldManager: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := applier.Apply(context.Background(), objects, ssa.ApplyOptions{Wait: true}); err != nil {
		t.Fatal(err)
	}
}
