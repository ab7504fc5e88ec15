package kustomization

import (
	"context"
	"errors"
	"path"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/gitopskit/gitopskit/inventory"
	"github.com/gitopskit/gitopskit/render/kustomize"
	"github.com/gitopskit/gitopskit/ssa"
)

const originAnnotation = "config.kubernetes.io/origin"

// nameFiles puts the file that each failed object was read from into its
// error. The objects are built once more for that, this time with their
// origins, which costs nothing as long as nothing fails.
func (u *run) nameFiles(ctx context.Context, result *ssa.Result) {
	opts := u.built.opts
	opts.BuildMetadata = []string{"originAnnotations"}
	objects, err := kustomize.Build(ctx, u.built.artifact.FS(), u.built.dir, opts)
	if err != nil {
		return // the errors are as good as before
	}
	files := map[inventory.Ref]string{}
	for _, o := range objects {
		ref := inventory.RefOf(o)
		files[ref] = originFile(o, u.built.dir)
		ref.Namespace = "" // cluster-scoped objects may have one all the same
		files[ref] = originFile(o, u.built.dir)
	}
	for _, o := range result.Objects {
		var e *ssa.Error
		if errors.As(o.Err, &e) && e.Origin == "" {
			e.Origin = files[o.Ref]
		}
	}
}

// originFile returns the file that an object was read from, or the
// kustomization that generates it, relative to the artifact's root.
func originFile(o *unstructured.Unstructured, dir string) string {
	var origin struct {
		Path         string `json:"path"`
		ConfiguredIn string `json:"configuredIn"`
	}
	if err := yaml.Unmarshal([]byte(o.GetAnnotations()[originAnnotation]), &origin); err != nil {
		return ""
	}
	file := orElse(origin.Path, origin.ConfiguredIn)
	if file == "" {
		return ""
	}
	return path.Join(dir, file)
}
